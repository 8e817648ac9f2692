// For tests with guests: skips, with the reason, where none can run.
#ifndef KNALLER_TESTS_QEMU_LIVE_TEST_H_
#define KNALLER_TESTS_QEMU_LIVE_TEST_H_

#include <gtest/gtest.h>

#include "base/error.h"
#include "live_vm.h"

namespace knaller::test {

class LiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      guest_files();
    } catch (const Error& error) {
      if (error.code() != Code::kUnsupported) throw;
      GTEST_SKIP() << error.what();
    }
  }
};

}  // namespace knaller::test

#endif  // KNALLER_TESTS_QEMU_LIVE_TEST_H_
