// Firecracker's own Go SDK, which nobody here wrote, driving knaller-qemu: the program is go-sdk/main.go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "engine.h"
#include "live_vm.h"
#include "tiny_guest.h"

namespace knaller::test {
namespace {

using ::testing::HasSubstr;

constexpr char kUsualGo[] = "/usr/local/go/bin/go";
constexpr std::chrono::minutes kBuildTime{8};

std::string find_go() {
  const std::string found = find_program("go");
  return found.empty() ? find_program(kUsualGo) : found;
}

// With the host's proxies, but caches of its own.
std::vector<std::string> go_environment(const EngineFolder& folder) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  for (const char* variable : {"HOME", "GOPATH", "GOCACHE"})
    environment.push_back(fmt::format("{}={}", variable, folder.path("go")));
  environment.emplace_back("GOFLAGS=-mod=readonly -modcacherw -buildvcs=false");
  environment.emplace_back("GOTOOLCHAIN=local");
  environment.emplace_back("CGO_ENABLED=0");
  return environment;
}

class GoSdk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) GTEST_SKIP() << "the Go SDK is tried as an ordinary user";
    if (find_go().empty()) GTEST_SKIP() << "no go on PATH";
    if (find_program("qemu-system-x86_64").empty()) GTEST_SKIP() << "no qemu-system-x86_64 on PATH";
    SpawnOptions download;
    download.argv = {find_go(), "mod", "download"};
    const auto modules = run(std::move(download));
    if (!modules.status.success())
      GTEST_SKIP() << "the Go SDK's modules can't be had: "
                   << printable(modules.err.substr(0, modules.err.find('\n')));
    SpawnOptions build;
    build.argv = {find_go(), "build", "-o", folder_.path("go-sdk"), "."};
    const auto built = run(std::move(build));
    ASSERT_TRUE(built.status.success()) << built.err;
    folder_.write("vmlinux", counting_kernel());
    folder_.make_sparse("rootfs.ext4", 8 << 20);
  }

  ProgramOutput run(SpawnOptions options) const {
    options.working_directory = KNALLER_GO_SDK;
    options.environment = go_environment(folder_);
    return run_program(std::move(options), Deadline::after(kBuildTime));
  }

  EngineFolder folder_;
};

TEST_F(GoSdk, BootsPausesSnapshotsLoadsAndStops) {
  SpawnOptions options;
  options.argv = {folder_.path("go-sdk"), KNALLER_QEMU, folder_.path("")};
  const auto output = run(std::move(options));
  EXPECT_TRUE(output.status.success()) << output.status.describe() << "\n" << output.out << output.err;
  for (const char* step : {"hear the guest of first", "snapshot first", "resume first", "stop first",
                           "start second", "hear the guest of second", "pause second", "stop second"})
    EXPECT_THAT(output.out, HasSubstr(step));
}

}  // namespace
}  // namespace knaller::test
