#include "store/cpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace knaller::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const char* const kTwoProcessors =
    "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
    "model name\t: AMD EPYC 9R14\nflags\t\t: fpu avx2 sha_ni rep_good\nbugs\t\t:\n\n"
    "processor\t: 1\nvendor_id\t: Other\nflags\t\t: other\n\n";

TEST(Cpu, ReadsTheFirstProcessorOnly) {
  const CpuIdentity cpu = parse_cpu(kTwoProcessors);
  EXPECT_EQ(cpu, (CpuIdentity{"AuthenticAMD", 25, 17, "AMD EPYC 9R14", "fpu avx2 sha_ni rep_good"}));
  EXPECT_TRUE(has_feature(cpu, "sha_ni"));
  EXPECT_FALSE(has_feature(cpu, "sha"));
}

TEST(Cpu, MissesInstructionSetsAndNotTheKernelsOwnFlags) {
  const CpuIdentity there{.features = "fpu avx2 avx512f rep_good sha_ni"};
  EXPECT_THAT(missing_features(there, {.features = "fpu avx2 more"}), ElementsAre("avx512f", "sha_ni"));
  EXPECT_THAT(missing_features(there, there), IsEmpty());
  EXPECT_THAT(missing_features({}, there), IsEmpty());
}

TEST(Cpu, KnowsThisHost) {
  const CpuIdentity here = host_cpu();
  EXPECT_FALSE(here.vendor.empty());
  EXPECT_FALSE(here.features.empty());
  EXPECT_THAT(missing_features(here, here), IsEmpty());
  const Json json = cpu_to_json(here);
  EXPECT_EQ(cpu_from_json(json, "cpu"), here);
}

// The look-up is by halving.
TEST(Cpu, FindsTheFirstAndTheLastInstructionSet) {
  EXPECT_THAT(missing_features({.features = "3dnowprefetch xsaves popcnt"}, {}),
              ElementsAre("3dnowprefetch", "xsaves", "popcnt"));
}

}  // namespace
}  // namespace knaller::store
