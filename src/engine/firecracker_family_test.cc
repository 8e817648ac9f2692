#include "engine/firecracker_family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_folder.h"
#include "engine/test_host.h"

namespace knaller::engine {
namespace {

using Result = CheckRow::Result;
using testing::HasSubstr;

bool is_judgement(const CheckRow& row) {
  return row.result == Result::kFailed && row.judgement;
}
bool is_refusal(const CheckRow& row) {
  return row.result == Result::kFailed && !row.judgement;
}

TEST(FirecrackerFamilyTest, ReadsItsVersion) {
  const std::string said = "Firecracker v1.16.1\n\nSupported snapshot data format versions: v1.0.0\n";
  EXPECT_EQ(family_that_said(said).type(), store::EngineType::kFirecracker);
  const EngineFacts facts = firecracker_family().facts_in(said, "firecracker");
  EXPECT_EQ(facts.type, store::EngineType::kFirecracker);
  EXPECT_EQ(facts.version.text(), "1.16.1");
  EXPECT_EQ(facts.backend_version, "");
}

TEST(FirecrackerFamilyTest, RefusesWhatIsNotOneOrTooOld) {
  for (const char* said : {"", "\n", "GNU bash, version 5.2.15(1)-release", "Firecracker v1.6.9\n"}) {
    EXPECT_EQ(family_that_said(said).type(), store::EngineType::kFirecracker) << said;
    EXPECT_EQ(code_thrown_by([&] { firecracker_family().facts_in(said, "it"); }), Code::kUnsupported) << said;
  }
}

TEST(FirecrackerFamilyTest, FitsWhereItIsAndKvmRunsGuests) {
  EXPECT_TRUE(firecracker_family().fitness(host_with(firecracker_only(), true)).fits);
  EXPECT_FALSE(firecracker_family().fitness(host_with(firecracker_only(), false)).fits);
  EXPECT_FALSE(firecracker_family().fitness(host_with(qemu_only(), true)).fits);
}

TEST(FirecrackerFamilyTest, RunsOnKvmAlone) {
  EXPECT_TRUE(firecracker_family().is_shown_kvm(host_with(both(), true)));
  EXPECT_TRUE(firecracker_family().is_shown_kvm(host_with(both(), false)));
  EXPECT_EQ(firecracker_family().call_filter(), CallFilter::kFirecracker);
  EXPECT_FALSE(firecracker_family().needs_pvh_kernel());
  EXPECT_TRUE(firecracker_family().limits_network());
}

TEST(FirecrackerFamilyTest, IsNoConditionOfARunningKnaller) {
  const CheckRow row = firecracker_family().doctor_row(host_with(qemu_only(), false),
                                                       Deadline::after(std::chrono::seconds(5)));
  EXPECT_EQ(row.name, "Firecracker");
  EXPECT_EQ(row.result, Result::kWarning);
  EXPECT_THAT(row.remedy, HasSubstr("https://"));
}

StateNeeds needs_of(const store::SnapshotRecord& record) {
  const EngineFacts here{.version = firecracker::parse_version("1.16.1"), .state_version = "10.0.0"};
  return firecracker_family().needs_of(
      record, [] { return ADD_FAILURE() << "the state was read", std::string(); }, here,
      host_with(both(), true));
}

TEST(FirecrackerFamilyTest, AStateNeedsTheProcessorOfItsRecord) {
  store::SnapshotRecord record;
  record.engine_version = "1.16.1";
  record.state_version = "10.0.0";
  record.tsc_khz = 2'596'137;
  record.cpu.vendor = "AuthenticAMD";
  const StateNeeds needs = needs_of(record);
  EXPECT_EQ(needs.version.result, Result::kOk);
  EXPECT_EQ(needs.processor, StateNeeds::Processor::kHosts);
  EXPECT_EQ(needs.tsc_khz, 2'596'137u);
  record.state_version = "12.0.0";
  EXPECT_TRUE(is_refusal(needs_of(record).version));
}

// As the Go program leaves it.
TEST(FirecrackerFamilyTest, ARecordWithoutAProcessorLeavesItOpen) {
  const StateNeeds needs = needs_of({});
  EXPECT_EQ(needs.processor, StateNeeds::Processor::kUnknown);
  EXPECT_EQ(needs.version.result, Result::kWarning);
}

TEST(FirecrackerStateRow, ReadsTheSameMajorAndOlderMinorNumbers) {
  const auto result = [](const char* there, const char* here) {
    return firecracker_state_row({there, "1.13.2"}, {here, "1.14.0"});
  };
  EXPECT_EQ(result("8.0.0", "8.0.0").result, Result::kOk);
  EXPECT_EQ(result("8.0.0", "8.1.0").result, Result::kOk);
  EXPECT_TRUE(is_refusal(result("8.1.0", "8.0.0")));
  EXPECT_TRUE(is_refusal(result("8.0.0", "10.0.0")));
  EXPECT_TRUE(is_refusal(result("10.0.0", "8.0.0")));
  EXPECT_EQ(result("10.0.0", "8.0.0").code, Code::kUnsupported);
  EXPECT_THAT(result("10.0.0", "8.0.0").remedy, HasSubstr("1.13.2"));
}

// 1.16.1 wrote 10.0.0, development builds of 1.17 11.0.0, and 1.17.0 writes 12.0.0: none reads another's.
TEST(FirecrackerStateRow, NamesBothVersionsOfTheState) {
  const CheckRow row = firecracker_state_row({"10.0.0", "1.16.1"}, {"12.0.0", "1.17.0"});
  EXPECT_TRUE(is_refusal(row));
  EXPECT_EQ(row.detail,
            "the state is of version 10.0.0 (Firecracker 1.16.1), Firecracker 1.17.0 reads 12.0.0");
  EXPECT_EQ(row.remedy, "name a Firecracker 1.16.1 with --engine PATH");
  EXPECT_TRUE(is_refusal(firecracker_state_row({"12.0.0", "1.17.0"}, {"11.0.0", "1.17.0-dev"})));
  // A patch release has changed it before, so without numbers another one is not the same engine.
  EXPECT_TRUE(is_judgement(firecracker_state_row({"", "1.16.1"}, {"11.0.0", "1.16.2"})));
}

TEST(FirecrackerStateRow, WithoutNumbersOnlyTheSameEngineIsSure) {
  EXPECT_EQ(firecracker_state_row({"", "1.16.1"}, {"10.0.0", "1.16.1"}).result, Result::kOk);
  EXPECT_TRUE(is_judgement(firecracker_state_row({"", "1.15.0"}, {"10.0.0", "1.16.1"})));
  EXPECT_TRUE(is_judgement(firecracker_state_row({"nonsense", "1.15.0"}, {"10.0.0", "1.16.1"})));
  EXPECT_EQ(firecracker_state_row({}, {"10.0.0", "1.16.1"}).result, Result::kWarning);
}

}  // namespace
}  // namespace knaller::engine
