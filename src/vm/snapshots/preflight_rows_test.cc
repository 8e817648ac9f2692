#include "vm/snapshots/preflight_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "store/cpu.h"

namespace knaller::vm {
namespace {

using Result = CheckRow::Result;
using testing::HasSubstr;

constexpr uint64_t kGiB = uint64_t{1} << 30;

bool is_judgement(const CheckRow& row) {
  return row.result == Result::kFailed && row.judgement;
}
bool is_refusal(const CheckRow& row) {
  return row.result == Result::kFailed && !row.judgement;
}

TEST(CpuRow, RefusesAnotherMakerAndLeavesTheRestToJudgement) {
  const store::CpuIdentity here{"AuthenticAMD", 25, 17, "AMD EPYC 9R14", "fpu avx2 sha_ni"};
  EXPECT_EQ(cpu_row(here, here).result, Result::kOk);
  store::CpuIdentity there = here;
  there.vendor = "GenuineIntel";
  EXPECT_TRUE(is_refusal(cpu_row(there, here)));
  there = here;
  there.model = 18;
  EXPECT_TRUE(is_judgement(cpu_row(there, here)));
  there = here;
  there.features += " avx512f";
  EXPECT_TRUE(is_judgement(cpu_row(there, here)));
  EXPECT_THAT(cpu_row(there, here).detail, HasSubstr("avx512f"));
  there = here;
  there.features = "fpu";
  EXPECT_EQ(cpu_row(there, here).result, Result::kOk);
}

TEST(TscRow, IsJudgementUnderKvmAndCertainUnderEmulation) {
  EXPECT_EQ(tsc_row(2'596'137, 2'596'150, TscUse::kAsItIs).result, Result::kOk);
  EXPECT_TRUE(is_judgement(tsc_row(2'596'137, 3'000'000, TscUse::kAsItIs)));
  EXPECT_EQ(tsc_row(2'596'137, 3'000'000, TscUse::kScaled).result, Result::kOk);
  EXPECT_EQ(tsc_row(2'596'137, 2'610'000, TscUse::kEmulated).result, Result::kOk);
  EXPECT_TRUE(is_refusal(tsc_row(2'596'137, 3'000'000, TscUse::kEmulated)));
  EXPECT_EQ(tsc_row(0, 3'000'000, TscUse::kAsItIs).result, Result::kWarning);
}

TEST(MemoryRow, IsJudgementWhenTheGuestHadTouchedMoreThanThereIs) {
  EXPECT_EQ(memory_row(16 * kGiB, 8 * kGiB, {kGiB, 4 * kGiB}).result, Result::kOk);
  EXPECT_EQ(memory_row(16 * kGiB, 2 * kGiB, {kGiB, 4 * kGiB}).result, Result::kWarning);
  const CheckRow row = memory_row(16 * kGiB, kGiB / 2, {kGiB, 4 * kGiB});
  EXPECT_TRUE(is_judgement(row));
  EXPECT_EQ(row.code, Code::kExhausted);
}

TEST(MemoryRow, IsJudgementWhenTheGuestHasMoreThanTheHost) {
  const CheckRow row = memory_row(16 * kGiB, 15 * kGiB, {kGiB, 17 * kGiB});
  EXPECT_TRUE(is_judgement(row));
  EXPECT_EQ(row.code, Code::kExhausted);
  EXPECT_EQ(memory_row(16 * kGiB, 15 * kGiB, {kGiB, 16 * kGiB}).result, Result::kWarning);
}

TEST(VcpusRow, WarnsOfMoreThanTheHostHas) {
  EXPECT_EQ(vcpus_row(2, 2).result, Result::kOk);
  EXPECT_EQ(vcpus_row(2, 3).result, Result::kWarning);
}

TEST(SpaceRow, RefusesWhatCantBeCopied) {
  EXPECT_EQ(space_row({.bytes = kGiB}, kGiB).result, Result::kOk);
  EXPECT_TRUE(is_refusal(space_row({.bytes = kGiB - 1}, kGiB)));
  EXPECT_EQ(space_row({.bytes = kGiB - 1}, kGiB).code, Code::kExhausted);
  EXPECT_EQ(space_row({.bytes = 0, .may_share = true}, kGiB).result, Result::kWarning);
}

}  // namespace
}  // namespace knaller::vm
