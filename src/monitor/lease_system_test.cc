// A VM is never stranded: pause leases on the fake engine, given back or not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/socket.h"
#include "firecracker/client.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class LeaseTest : public testing::Test {
 protected:
  // What the engine itself says.
  std::string engine_state() {
    const UniqueFd jail = open_directory(vm_.path("jail"));
    return firecracker::Client(jail.get(), "api.sock").describe(soon()).state;
  }
  bool engine_is_busy() {
    const UniqueFd jail = open_directory(vm_.path("jail"));
    const firecracker::Client client(jail.get(), "api.sock");
    return code_thrown_by([&] { client.describe(Deadline::after(milliseconds(50))); }) == Code::kTimeout;
  }
  bool runs_within(milliseconds time) {
    return becomes_true([&] { return engine_state() == "Running"; }, time);
  }

  // A process of its own that takes the lease, pauses, does `more`, says so and hangs; returned once it has
  // said so.
  template <typename More>
  pid_t fork_holder(More&& more) {
    Pipe said = make_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        Lease lease = vm_.client().lease("snapshot", soon());
        lease.pause(soon());
        write_all(said.write_end.get(), "p", "the test");
        more();
        while (true) ::pause();
      } catch (const std::exception&) {
        ::_exit(1);
      }
    }
    said.write_end.reset();
    char byte;
    EXPECT_EQ(read_up_to(said.read_end.get(), &byte, 1, "the holder"), 1u);
    return child;
  }
  static void kill_and_reap(pid_t child) {
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }

  TestVm vm_;
};

TEST_F(LeaseTest, PausesAndResumes) {
  Launch launch = vm_.start();
  Lease lease = vm_.client().lease("snapshot", soon());
  EXPECT_FALSE(lease.was_paused());
  EXPECT_EQ(lease.was_paused_for().count(), 0);
  lease.pause(soon());
  EXPECT_EQ(engine_state(), "Paused");
  const Status status = vm_.client().status(soon());
  EXPECT_EQ(status.state, RunState::kPaused);
  EXPECT_THAT(status.lease, HasSubstr("snapshot (pid " + std::to_string(::getpid())));
  lease.resume(soon());
  EXPECT_EQ(engine_state(), "Running");
  lease.pause(soon());
  lease.release(soon());
  EXPECT_EQ(engine_state(), "Running");
  EXPECT_EQ(vm_.client().status(soon()).lease, "");
}

TEST_F(LeaseTest, AVmThatIsLeftPausedStaysPausedUntilItIsResumed) {
  Launch launch = vm_.start();
  Lease pause = vm_.client().lease("pause", soon());
  pause.pause(soon());
  pause.leave_paused(soon());
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kPaused);
  {
    Lease snapshot = vm_.client().lease("snapshot", soon());
    EXPECT_TRUE(snapshot.was_paused());
    snapshot.pause(soon());
  }
  Lease resume = vm_.client().lease("resume", soon());
  EXPECT_TRUE(resume.was_paused());
  EXPECT_GT(resume.was_paused_for().count(), 0);
  resume.resume(soon());
  resume.release(soon());
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
}

TEST_F(LeaseTest, AHolderThatIsKilledLeavesTheVmRunning) {
  Launch launch = vm_.start();
  for (int round = 0; round < 5; ++round) {
    const pid_t holder = fork_holder([] {});
    EXPECT_EQ(engine_state(), "Paused");
    kill_and_reap(holder);
    EXPECT_TRUE(runs_within(seconds(1)));
  }
  EXPECT_THAT(read_file(vm_.path("events.jsonl")), HasSubstr("ended while it held the pause lease"));
}

TEST_F(LeaseTest, AHolderThatIsKilledDuringItsRequestLeavesTheVmRunningOnceTheEngineAnswers) {
  vm_.script(R"({"rules": [{"path": "/snapshot/create", "delay_ms": 1500}]})");
  Launch launch = vm_.start();
  const pid_t holder = fork_holder([&] {
    const UniqueFd jail = open_directory(vm_.path("jail"));
    firecracker::Client(jail.get(), "api.sock")
        .apply(firecracker::create_snapshot({.state_path = "state", .memory_path = "memory"},
                                            firecracker::parse_version("1.16.1")),
               soon());
  });
  // Its request is in the engine's hands when another one has to wait.
  ASSERT_TRUE(becomes_true([&] { return engine_is_busy(); }, seconds(1)));
  kill_and_reap(holder);
  EXPECT_TRUE(runs_within(milliseconds(1500 + 1000)));
}

TEST_F(LeaseTest, AResumeThatIsRefusedIsTriedAgain) {
  vm_.script(
      R"({"rules": [{"method": "PATCH", "path": "/vm", "nth": 2, "status": 500, "body": "{\"fault_message\": \"no\"}"},
                           {"method": "PATCH", "path": "/vm", "nth": 2, "status": 500, "body": "{\"fault_message\": \"no\"}"}]})");
  Launch launch = vm_.start();
  {
    Lease lease = vm_.client().lease("snapshot", soon());
    lease.pause(soon());
  }
  EXPECT_TRUE(runs_within(seconds(2)));
  // The engine runs before the monitor has read that it does.
  EXPECT_TRUE(
      becomes_true([&] { return vm_.client().status(soon()).state == RunState::kRunning; }, seconds(2)));
}

TEST_F(LeaseTest, OthersWaitTheirTurnAndAreToldForWhom) {
  Launch launch = vm_.start();
  std::optional<Lease> first = vm_.client().lease("snapshot", soon());
  std::string waited_for;
  try {
    vm_.client().lease("pause", Deadline::after(milliseconds(50)),
                       [&](const std::string& holder) { waited_for = holder; });
    FAIL() << "two holders";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBusy);
    EXPECT_THAT(error.what(), HasSubstr("snapshot (pid"));
  }
  EXPECT_THAT(waited_for, HasSubstr("snapshot (pid"));
  std::jthread second([this, &first] {
    vm_.client().lease("pause", soon(), [&](const std::string&) { first.reset(); }).release(soon());
  });
  second.join();
  EXPECT_EQ(vm_.client().status(soon()).lease, "");
}

TEST_F(LeaseTest, WithoutTheLeaseNobodyPauses) {
  Launch launch = vm_.start();
  const UniqueFd directory = vm_.directory();
  const UniqueFd socket = connect_unix(directory.get(), "monitor.sock", soon());
  std::string buffer;
  std::string line;
  for (const auto* op : {"pause", "resume", "release", "leave_paused"}) {
    send_all(socket.get(), fmt::format("{{\"v\":1,\"op\":\"{}\"}}\n", op), soon(), "the monitor");
    ASSERT_TRUE(read_line(socket.get(), buffer, line, 1 << 16, soon(), "the monitor"));
    EXPECT_THAT(line, HasSubstr("does not hold the pause lease")) << op;
  }
  EXPECT_EQ(engine_state(), "Running");
}

TEST_F(LeaseTest, AnEngineThatDoesNotAnswerIsStuckAndNotKilled) {
  vm_.script(R"({"rules": [{"method": "GET", "path": "/", "hang": "before"}]})");
  Launch launch = vm_.start();
  const Status status = vm_.client().status(soon());
  EXPECT_EQ(status.state, RunState::kStuck);
  EXPECT_THAT(status.reason, HasSubstr("answer"));
  EXPECT_FALSE(is_gone(launch.engine_pid()));
  // Everything else goes on: nobody waits for that engine.
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(vm_.stop(seconds(5), true).state, EndState::kStopped);
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(1));
}

TEST_F(LeaseTest, APausedVmIsResumedToBeStopped) {
  Launch launch = vm_.start();
  Lease lease = vm_.client().lease("pause", soon());
  lease.pause(soon());
  lease.leave_paused(soon());
  const ExitRecord end = vm_.stop(seconds(5), false);
  EXPECT_EQ(end.state, EndState::kStopped);
  EXPECT_EQ(end.rc, 0);
}

TEST_F(LeaseTest, AStopWaitsForTheHolderOfTheLease) {
  Launch launch = vm_.start();
  std::optional<Lease> lease = vm_.client().lease("snapshot", soon());
  lease->pause(soon());
  std::jthread stop([this] { EXPECT_EQ(vm_.stop(seconds(30), false).rc, 0); });
  ASSERT_TRUE(
      becomes_true([&] { return vm_.client().status(soon()).state == RunState::kStopping; }, seconds(5)));
  EXPECT_EQ(engine_state(), "Paused");
  lease->release(soon());
  stop.join();
}

TEST_F(LeaseTest, TheEndOfTheEngineIsToldToTheHolder) {
  Launch launch = vm_.start();
  Lease lease = vm_.client().lease("snapshot", soon());
  ASSERT_EQ(::kill(launch.engine_pid(), SIGKILL), 0);
  EXPECT_EQ(code_thrown_by([&] { lease.pause(soon()); }), Code::kEngineDied);
}

}  // namespace
}  // namespace knaller::monitor
