// VMs whose monitor or engine stands still: ended by who holds their locks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/lock.h"
#include "base/process.h"
#include "monitor/force.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

std::vector<pid_t> pids(const std::vector<Holder>& holders) {
  std::vector<pid_t> pids;
  for (const Holder& holder : holders) pids.push_back(holder.pid);
  return pids;
}

// A process that has a descriptor of the test's, and nothing else to do.
Child sleeper(int descriptor) {
  return spawn({.argv = {"sleep", "3600"}, .search_path = true, .descriptors = {{descriptor, 3}}});
}

class ForceTest : public testing::Test {
 protected:
  void end_and_expect_nothing(const Launch& launch, milliseconds within) {
    const auto began = std::chrono::steady_clock::now();
    end_by_force(vm_.directory().get(), soon());
    EXPECT_LT(std::chrono::steady_clock::now() - began, within);
    EXPECT_FALSE(is_alive(vm_.directory().get()));
    EXPECT_TRUE(becomes_true([&] { return is_gone(launch.monitor_pid()) && is_gone(launch.engine_pid()); },
                             seconds(1)));
  }

  TestVm vm_;
};

TEST_F(ForceTest, TheHoldersAreTheMonitorAndTheEngine) {
  const Launch launch = vm_.start();
  EXPECT_THAT(pids(alive_holders(vm_.directory().get())),
              UnorderedElementsAre(launch.monitor_pid(), launch.engine_pid()));
}

TEST_F(ForceTest, WhoOnlyLooksAtTheFileIsNoHolder) {
  const Launch launch = vm_.start();
  const UniqueFd looked_at = open_at(AT_FDCWD, vm_.path("alive"), O_RDWR);
  const Child bystander = sleeper(looked_at.get());
  EXPECT_THAT(pids(alive_holders(vm_.directory().get())), Not(Contains(bystander.pid())));
}

TEST_F(ForceTest, AnotherVmsProcessesAreNoHolders) {
  TestVm other;
  const Launch first = vm_.start();
  const Launch second = other.start();
  end_and_expect_nothing(first, seconds(5));
  EXPECT_EQ(other.client().status(soon()).state, RunState::kRunning);
}

TEST_F(ForceTest, AMonitorThatStandsStillIsEndedWithItsEngine) {
  const Launch launch = vm_.start();
  ASSERT_EQ(::kill(launch.monitor_pid(), SIGSTOP), 0);
  end_and_expect_nothing(launch, seconds(5));
}

TEST_F(ForceTest, AnEngineThatStandsStillIsEndedWithItsMonitor) {
  const Launch launch = vm_.start();
  ASSERT_EQ(::kill(launch.monitor_pid(), SIGSTOP), 0);
  ASSERT_EQ(::kill(launch.engine_pid(), SIGSTOP), 0);
  end_and_expect_nothing(launch, seconds(5));
}

// What holds a lock without being one of ours, as an engine's child outside of its pid namespace would.
TEST_F(ForceTest, WhoeverElseHoldsALockIsFoundToo) {
  const UniqueFd file = open_at(AT_FDCWD, vm_.staged("alive"), O_RDWR);
  ASSERT_TRUE(try_lock_byte(file.get(), 1));
  Child holder = sleeper(file.get());
  const UniqueFd directory = open_directory(vm_.staged());
  EXPECT_THAT(pids(alive_holders(directory.get())), UnorderedElementsAre(::getpid(), holder.pid()));
}

TEST_F(ForceTest, AVmThatHasEndedHasNoHoldersAndNeedsNoForce) {
  {
    const Launch launch = vm_.start();
    vm_.stop(seconds(1), true);
  }
  EXPECT_THAT(alive_holders(vm_.directory().get()), IsEmpty());
  end_by_force(vm_.directory().get(), Deadline::after(milliseconds(0)));
}

TEST_F(ForceTest, TheRecordIsAsAMonitorLeavesIt) {
  const Launch launch = vm_.start();
  ASSERT_EQ(::kill(launch.monitor_pid(), SIGSTOP), 0);
  record_force(vm_.directory().get());
  end_and_expect_nothing(launch, seconds(5));
  EXPECT_FALSE(exists(vm_.path("monitor.sock")));
  EXPECT_EQ(vm_.wait().state, EndState::kStopped);
}

}  // namespace
}  // namespace knaller::monitor
