#include "engine/qemu_family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_folder.h"
#include "engine/test_host.h"

namespace knaller::engine {
namespace {

using Result = CheckRow::Result;
using testing::HasSubstr;

const char* const kSaid =
    "knaller-qemu v1.16.1\n\nknaller 0.1.0: the API of Firecracker 1.16.1 on QEMU 7.2.22\n";

bool is_refusal(const CheckRow& row) {
  return row.result == Result::kFailed && !row.judgement;
}

// Written out, not taken from the header: the format is fixed (docs/formats/qemu-state.md).
std::string state_of(const std::string& json) {
  std::string head = std::string("knaller-qemu\0\0\0\1", 16);
  head += static_cast<char>(json.size()) + std::string(15, '\0');
  return head + json + "devices";
}

TEST(QemuFamilyTest, ReadsBothVersions) {
  EXPECT_EQ(family_that_said(kSaid).type(), store::EngineType::kQemu);
  const EngineFacts facts = qemu_family().facts_in(kSaid, "knaller-qemu");
  EXPECT_EQ(facts.type, store::EngineType::kQemu);
  EXPECT_EQ(facts.version.text(), "1.16.1");
  EXPECT_EQ(facts.backend_version, "7.2.22");
}

TEST(QemuFamilyTest, SaysWithoutQemuThatItHasNone) {
  const EngineFacts facts = qemu_family().facts_in(
      "knaller-qemu v1.16.1\n\nknaller 0.1.0: the API of Firecracker 1.16.1 without QEMU\n", "knaller-qemu");
  EXPECT_EQ(facts.version.text(), "1.16.1");
  EXPECT_EQ(facts.backend_version, "");
}

TEST(QemuFamilyTest, RefusesWordsWithoutAVersion) {
  EXPECT_EQ(code_thrown_by([] { qemu_family().facts_in("knaller-qemu of tomorrow\n", "it"); }),
            Code::kUnsupported);
}

TEST(QemuFamilyTest, RunsEverywhereAndUsesKvmWhereItRunsGuests) {
  EXPECT_TRUE(qemu_family().fitness(host_with({}, false)).fits);
  EXPECT_TRUE(qemu_family().is_shown_kvm(host_with(both(), true)));
  EXPECT_FALSE(qemu_family().is_shown_kvm(host_with(both(), false)));
  EXPECT_EQ(qemu_family().call_filter(), CallFilter::kQemu);
  EXPECT_TRUE(qemu_family().needs_pvh_kernel());
  EXPECT_FALSE(qemu_family().limits_network());
}

TEST(QemuFamilyTest, DoctorSaysWhichOfItsProgramsIsMissing) {
  const Deadline soon = Deadline::after(std::chrono::seconds(5));
  const CheckRow own = qemu_family().doctor_row(host_with(firecracker_only(), true), soon);
  EXPECT_EQ(own.name, "knaller-qemu");
  EXPECT_EQ(own.result, Result::kFailed);
  EXPECT_THAT(own.detail, HasSubstr(kLibexec));
  auto programs = qemu_only();
  programs.erase("qemu-system-x86_64");
  const CheckRow backend = qemu_family().doctor_row(host_with(programs, true), soon);
  EXPECT_EQ(backend.name, "QEMU");
  EXPECT_EQ(backend.result, Result::kFailed);
  EXPECT_THAT(backend.remedy, HasSubstr("apt install"));
}

StateNeeds needs_of(const std::string& json, bool kvm) {
  const EngineFacts here{.type = store::EngineType::kQemu, .backend_version = "7.2.22"};
  return qemu_family().needs_of(
      {}, [&] { return state_of(json); }, here, host_with(both(), kvm));
}

TEST(QemuFamilyTest, AnEmulatedStateNeedsNoProcessor) {
  const StateNeeds needs = needs_of(R"({"accelerator":"tcg","qemu":"7.2.9","tsc_khz":2596137})", false);
  EXPECT_EQ(needs.version.result, Result::kOk);
  EXPECT_EQ(needs.processor, StateNeeds::Processor::kEmulated);
  EXPECT_EQ(needs.tsc_khz, 2'596'137u);
}

TEST(QemuFamilyTest, AnAcceleratedStateNeedsKvmAndTheHostsProcessor) {
  const std::string json = R"({"accelerator":"kvm","qemu":"7.2.9","tsc_khz":1})";
  EXPECT_EQ(needs_of(json, true).version.result, Result::kOk);
  EXPECT_EQ(needs_of(json, true).processor, StateNeeds::Processor::kHosts);
  EXPECT_TRUE(is_refusal(needs_of(json, false).version));
}

TEST(QemuFamilyTest, AStateOfAnothersIsCorrupt) {
  EXPECT_EQ(code_thrown_by([] {
              qemu_family().needs_of(
                  {}, [] { return std::string(64, '\0'); }, {}, host_with(both(), true));
            }),
            Code::kCorrupt);
}

TEST(QemuOriginTest, IsWhatWroteTheState) {
  const QemuOrigin origin =
      parse_qemu_origin(state_of(R"({"accelerator":"tcg","qemu":"7.2.22","tsc_khz":2596137})"));
  EXPECT_EQ(origin.accelerator, "tcg");
  EXPECT_EQ(origin.version, "7.2.22");
  EXPECT_EQ(origin.tsc_khz, 2'596'137u);
}

TEST(QemuOriginTest, IsHostile) {
  const std::string whole = state_of(R"({"accelerator":"tcg","qemu":"7.2.22","tsc_khz":1})");
  for (size_t size = 0; size + sizeof "devices" <= whole.size(); ++size)
    EXPECT_THROW(parse_qemu_origin(whole.substr(0, size)), Error) << size;
  std::string huge = whole;
  huge.replace(16, 8, 8, '\xff');
  EXPECT_THROW(parse_qemu_origin(huge), Error);
  EXPECT_THROW(parse_qemu_origin(state_of("[]")), Error);
}

TEST(QemuStateRow, NeedsTheSameSeriesAndAccelerator) {
  EXPECT_EQ(qemu_state_row({"tcg", "7.2.22", 1}, "7.2.9", false).result, Result::kOk);
  EXPECT_TRUE(is_refusal(qemu_state_row({"tcg", "7.2.22", 1}, "8.2.0", false)));
  EXPECT_TRUE(is_refusal(qemu_state_row({"kvm", "7.2.22", 1}, "7.2.22", false)));
  EXPECT_EQ(qemu_state_row({"kvm", "7.2.22", 1}, "7.2.22", true).result, Result::kOk);
  EXPECT_EQ(qemu_state_row({"tcg", "7.2.22", 1}, "", true).result, Result::kWarning);
}

}  // namespace
}  // namespace knaller::engine
