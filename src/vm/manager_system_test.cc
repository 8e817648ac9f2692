// The library's own ways with a VM that no command takes. On the fake engine, without a network.
#include "knaller/manager.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "firecracker/test_kernel.h"

namespace knaller {
namespace {

void run(const std::vector<std::string>& command) {
  const ProgramOutput output = run_program({.argv = command}, kSoon);
  ASSERT_TRUE(output.status.success()) << command.front() << ": " << output.err;
}

class ManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string kernel = firecracker::tiny_kernel();
    kernel.resize(128 << 10);  // shorter than any kernel is refused
    write_file_atomically(folder_.fd(), "vmlinux", kernel, Durability::kNoSync);
    run({"/sbin/mke2fs", "-q", "-t", "ext4", folder_.path("rootfs"), "8M"});
  }

  VmOptions options(const std::string& name) const {
    VmOptions vm;
    vm.name = name;
    vm.kernel = folder_.path("vmlinux");
    vm.rootfs = folder_.path("rootfs");
    vm.memory_mib = 64;
    vm.network = NetworkMode::kNone;
    vm.engine = {EngineKind::kFirecracker, KNALLER_TEST_PROGRAMS "/fake_firecracker"};
    return vm;
  }

  // Whether it is gone with all its files, which a monitor on its own does.
  bool goes(const std::string& name) {
    for (const Deadline deadline = Deadline::after(std::chrono::seconds(20)); !deadline.expired();) {
      if (!exists(folder_.path("home/vms/" + name)) && manager_.list().empty()) return true;
      pause_for(std::chrono::milliseconds(10), deadline);
    }
    return false;
  }

  TestFolder folder_;
  Manager manager_{{.home = folder_.path("home"), .libexec = KNALLER_TEST_PROGRAMS}};
};

TEST_F(ManagerTest, AVmThatIsTiedWhenItIsRestartedGoesWithItsTie) {
  ASSERT_NO_THROW(manager_.start(options("web")));
  const int first = manager_.inspect("web").monitor_pid;
  Started started = manager_.restart("web", {.force = true}, {.tie = true});
  EXPECT_EQ(started.vm.state, VmState::kRunning);
  const VmInfo seen = manager_.inspect("web");
  EXPECT_EQ(seen.state, VmState::kRunning);
  EXPECT_NE(seen.monitor_pid, first);
  EXPECT_EQ(seen.monitor_pid, started.vm.monitor_pid);
  started.tie = Tie();
  EXPECT_TRUE(goes("web"));
}

TEST_F(ManagerTest, ATieThatIsReleasedLetsTheVmGoOn) {
  ASSERT_NO_THROW(manager_.start(options("web")));
  {
    Started started = manager_.restart("web", {.force = true}, {.tie = true});
    started.tie.release();
  }
  EXPECT_EQ(manager_.inspect("web").state, VmState::kRunning);
  manager_.remove("web", {.force = true});
  EXPECT_TRUE(goes("web"));
}

}  // namespace
}  // namespace knaller
