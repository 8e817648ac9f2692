#include "base/kernel_calls.h"

#include <gtest/gtest.h>

namespace knaller {
namespace {

TEST(KernelCallsTest, NoneIsMissingWhereTheTestsRun) {
  EXPECT_EQ(describe(missing_kernel_calls()), "");
  EXPECT_NO_THROW(require_kernel_calls());
  EXPECT_EQ(describe(kernel_calls_missing_for_qemu()), "");
  EXPECT_NO_THROW(require_kernel_calls_of_qemu());
}

TEST(KernelCallsTest, AreNamedWithTheKernelThatBroughtThem) {
  EXPECT_EQ(describe({{"openat2", "5.6"}, {"clone3", "5.3"}}), "openat2 (Linux 5.6), clone3 (Linux 5.3)");
}

}  // namespace
}  // namespace knaller
