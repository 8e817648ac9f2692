// Firecracker's own Go SDK, which nobody here wrote, with knaller-qemu as its firecracker: sdk/main.go, built
// here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "engine.h"
#include "live_vm.h"
#include "tiny_guest.h"

namespace knaller::test {
namespace {

constexpr std::chrono::minutes kBuildTime{10};

// The last line that tells something.
std::string last_line(const std::string& text) {
  std::string last;
  for (const std::string_view line : split(text, '\n'))
    if (!trim(line).empty()) last = trim(line);
  return last;
}

bool is_about_the_network(const std::string& text) {
  for (const char* sign : {"dial tcp", "Forbidden", "i/o timeout", "no such host", "module lookup disabled"})
    if (text.find(sign) != std::string::npos) return true;
  return false;
}

class GoSdk : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* program : {"go", "qemu-system-x86_64"})
      if (find_program(program).empty()) GTEST_SKIP() << fmt::format("no {} on PATH", program);
    const auto built =
        run_program({.argv = {"go", "build", "-buildvcs=false", "-o", folder_.path("sdk"), "."},
                     .search_path = true,
                     .working_directory = KNALLER_SDK_SOURCE},
                    Deadline::after(kBuildTime));
    if (built.status.success()) return;
    if (is_about_the_network(built.err))
      GTEST_SKIP() << "the Go SDK can't be downloaded: " << last_line(built.err);
    FAIL() << built.err;
  }

  EngineFolder folder_;
};

TEST_F(GoSdk, BootsPausesSnapshotsRestoresAndStops) {
  folder_.write("vmlinux", counting_kernel());
  folder_.make_sparse("rootfs.ext4", 8 << 20);
  const auto driven =
      run_program({.argv = {folder_.path("sdk"), KNALLER_QEMU, folder_.path()}}, guest_patience());
  EXPECT_TRUE(driven.status.success()) << driven.out << driven.err;
}

}  // namespace
}  // namespace knaller::test
