// The real Firecracker in the jail, where there is one on PATH and /dev/kvm opens. Its guest is four bytes of
// code that halt, which needs no working KVM beyond what the API answers: nothing here waits for the guest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/process.h"
#include "firecracker/client.h"
#include "firecracker/test_kernel.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class FirecrackerTest : public testing::Test {
 protected:
  void SetUp() override {
    vm_.spec.engine_binary = find_program("firecracker");
    if (vm_.spec.engine_binary.empty()) GTEST_SKIP() << "there is no firecracker on PATH";
    if (::access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/kvm can't be opened here";
    vm_.write("jail/vmlinux", firecracker::tiny_kernel());
    vm_.write("jail/rootfs.ext4", std::string(1 << 20, '\0'));
    vm_.spec.boot = {
        firecracker::put_machine_config({.vcpus = 1, .memory_mib = 128}),
        firecracker::put_boot_source({.kernel_image_path = "vmlinux", .boot_args = "console=ttyS0"}),
        firecracker::put_drive({.id = "rootfs", .path = "rootfs.ext4", .root = true}),
        firecracker::start_instance()};
  }

  TestVm vm_;
};

TEST_F(FirecrackerTest, RunsInTheJailIsPausedByALeaseAndSnapshotted) {
  Launch launch = vm_.begin();
  launch.commit(soon());
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
  EXPECT_THAT(read_file(fmt::format("/proc/{}/status", launch.engine_pid())),
              HasSubstr("CapEff:\t0000000000000000"));
  Lease lease = vm_.client().lease("snapshot", soon());
  lease.pause(soon());
  const UniqueFd jail = open_directory(vm_.path("jail"));
  const firecracker::Client client(jail.get(), "api.sock");
  const auto info = client.describe(soon());
  EXPECT_EQ(info.state, "Paused");
  client.apply(firecracker::create_snapshot({.state_path = "state", .memory_path = "memory"}, info.version),
               soon());
  lease.release(soon());
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
  EXPECT_THAT(read_file(vm_.path("engine.log")), HasSubstr("Running Firecracker"));
  EXPECT_EQ(vm_.stop(milliseconds(10), false).state, EndState::kStopped);
}

TEST_F(FirecrackerTest, TakesTheTapOfItsNamespaceWithoutAnyCapability) {
  vm_.spec.pasta_binary = find_program("pasta");
  if (vm_.spec.pasta_binary.empty()) GTEST_SKIP() << "there is no pasta here";
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun can't be opened here";
  vm_.spec.network = net::standard_plan({{.host = 0, .guest = 22}});
  vm_.spec.boot.insert(
      vm_.spec.boot.end() - 1,
      firecracker::put_network_interface(
          {.id = "eth0", .host_device = vm_.spec.network->tap, .guest_mac = vm_.spec.network->guest_mac}));
  Launch launch = vm_.begin();
  launch.commit(soon());
  EXPECT_EQ(vm_.client().status(soon()).network, "rootless");
  vm_.stop(seconds(0), true);
}

TEST_F(FirecrackerTest, ItsOwnWordsExplainWhatItRefuses) {
  vm_.spec.boot.insert(vm_.spec.boot.begin(), firecracker::put_drive({.id = "data", .path = "/etc/passwd"}));
  try {
    vm_.begin();
    FAIL() << "it was shown a file of the host";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kEngineRefused);
    EXPECT_THAT(error.what(), HasSubstr("No such file or directory"));
  }
  EXPECT_THAT(vm_.entries(), testing::IsEmpty());
}

}  // namespace
}  // namespace knaller::monitor
