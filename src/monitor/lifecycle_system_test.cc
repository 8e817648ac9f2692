// How VMs end: by their guests, by their users, by SIGKILL; and what is left then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/socket.h"
#include "firecracker/client.h"
#include "monitor/test_vm.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kIgnores[] = R"({"guest": {"on_ctrl_alt_del": "ignore"}})";
constexpr char kPowersOff[] = R"({"guest": {"on_ctrl_alt_del": "poweroff"}})";
constexpr char kHesitates[] = R"({"guest": {"on_ctrl_alt_del": "hesitate"}})";
constexpr char kHalts[] = R"({"guest": {"on_ctrl_alt_del": "halt", "tick_ms": 5}})";
constexpr char kClaimsToHaveHalted[] = R"({"guest": {"on_ctrl_alt_del": "claim", "tick_ms": 5}})";
constexpr char kPanics[] = R"({"guest": {"on_ctrl_alt_del": "panic"}})";

class LifecycleTest : public testing::Test {
 protected:
  // What makes the fake's guest end, as something inside of it would: not through the monitor.
  void poke_guest() { poke_guest(vm_.path("jail")); }
  static void poke_guest(const std::string& path) {
    const UniqueFd jail = open_directory(path);
    firecracker::Client(jail.get(), "api.sock").apply(firecracker::send_ctrl_alt_del(), soon());
  }
  ExitRecord end_of_vm() { return vm_.wait(); }
  ExitRecord record() {
    const auto found = read_exit_record(vm_.directory().get());
    return found ? *found : throw Error(Code::kNotFound, "there is no exit record");
  }
  // Rebooted, and the new engine's guest is up.
  bool has_rebooted(int times) {
    return becomes_true(
        [&] {
          const Status status = vm_.client().status(soon());
          return status.reboots == times && status.state == RunState::kRunning;
        },
        seconds(10));
  }

  TestVm vm_;
};

TEST_F(LifecycleTest, AGuestThatRebootsIsStartedAgainInPlace) {
  Launch launch = vm_.start();
  poke_guest();
  ASSERT_TRUE(has_rebooted(1));
  const Status status = vm_.client().status(soon());
  EXPECT_NE(status.engine_pid, launch.engine_pid());
  EXPECT_EQ(status.monitor_pid, launch.monitor_pid());
  EXPECT_TRUE(is_gone(launch.engine_pid()));
  EXPECT_EQ(vm_.stop(seconds(5), false).state, EndState::kStopped);
}

TEST_F(LifecycleTest, AGuestThatRebootsWhileItIsRestoredIsNotBootedInstead) {
  vm_.spec.load = vm_.spec.boot;
  {
    Launch launch = vm_.begin();
    TestVm::await(launch, LaunchEvent::Kind::kReady);
    poke_guest(vm_.staged("jail"));
    const LaunchEvent ended = TestVm::await(launch, LaunchEvent::Kind::kEnded);
    EXPECT_EQ(ended.exit.state, EndState::kCrashed);
    EXPECT_EQ(ended.exit.reason, "the guest rebooted instead of going on from its snapshot");
    EXPECT_THROW(launch.commit(soon()), Error);
  }
  EXPECT_TRUE(becomes_true([this] { return vm_.entries().empty(); }, seconds(10)));
}

TEST_F(LifecycleTest, AGuestThatRebootsOnceItWasRestoredIsBooted) {
  vm_.spec.load = vm_.spec.boot;
  Launch launch = vm_.start();
  poke_guest();
  EXPECT_TRUE(has_rebooted(1));
  vm_.stop(seconds(5), true);
}

TEST_F(LifecycleTest, AGuestThatRebootsForEverIsCrashed) {
  Launch launch = vm_.start();
  for (int reboot = 1; reboot <= 3; ++reboot) {
    poke_guest();
    ASSERT_TRUE(has_rebooted(reboot));
  }
  std::jthread waiting([this] {
    const ExitRecord end = end_of_vm();
    EXPECT_EQ(end.state, EndState::kCrashed);
    EXPECT_THAT(end.reason, HasSubstr("4 times within a minute"));
  });
  poke_guest();
  waiting.join();
  EXPECT_EQ(record().state, EndState::kCrashed);
}

TEST_F(LifecycleTest, WithRestartOffARebootStops) {
  vm_.spec.restart_on_reboot = false;
  Launch launch = vm_.start();
  poke_guest();
  ASSERT_TRUE(becomes_true([&] { return !is_alive(vm_.directory().get()); }, seconds(5)));
  EXPECT_EQ(record().state, EndState::kStopped);
  EXPECT_EQ(record().reason, "the guest rebooted");
}

TEST_F(LifecycleTest, AGuestThatPowersOffIsStoppedAndNotStartedAgain) {
  vm_.script(kPowersOff);
  Launch launch = vm_.start();
  poke_guest();
  ASSERT_TRUE(becomes_true([&] { return !is_alive(vm_.directory().get()); }, seconds(5)));
  EXPECT_EQ(record().state, EndState::kStopped);
  EXPECT_EQ(record().reason, "the guest powered off");
}

// As poweroff leaves a Firecracker, which nothing turns off.
TEST_F(LifecycleTest, AGuestWhoseProcessorsStandStillForGoodIsStopped) {
  vm_.script(kHalts);
  Launch launch = vm_.start();
  EXPECT_EQ(vm_.stop(seconds(600), false).state, EndState::kStopped);
  EXPECT_EQ(record().reason, "the guest powered off");
}

TEST_F(LifecycleTest, WordsOnTheConsoleEndNoVm) {
  vm_.script(kClaimsToHaveHalted);
  Launch launch = vm_.start();
  poke_guest();
  ASSERT_TRUE(becomes_true(
      [this] { return read_file(vm_.path("events.jsonl")).find("but it runs") != std::string::npos; },
      seconds(30)));
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
  EXPECT_EQ(vm_.client().status(soon()).engine_pid, launch.engine_pid());
}

TEST_F(LifecycleTest, AKernelPanicIsACrashWithItsOwnWords) {
  vm_.script(kPanics);
  Launch launch = vm_.start();
  poke_guest();
  ASSERT_TRUE(becomes_true([&] { return !is_alive(vm_.directory().get()); }, seconds(5)));
  EXPECT_EQ(record().state, EndState::kCrashed);
  EXPECT_THAT(record().reason, HasSubstr("kernel panic"));
}

TEST_F(LifecycleTest, AKilledEngineIsACrashThatIsRecorded) {
  Launch launch = vm_.start();
  ASSERT_EQ(::kill(launch.engine_pid(), SIGKILL), 0);
  ASSERT_TRUE(becomes_true([&] { return !is_alive(vm_.directory().get()); }, seconds(1)));
  EXPECT_EQ(record().state, EndState::kCrashed);
  EXPECT_EQ(record().signal, SIGKILL);
  EXPECT_TRUE(becomes_true([&] { return is_gone(launch.monitor_pid()); }, seconds(1)));
}

TEST_F(LifecycleTest, AKilledMonitorTakesTheEngineWithItWithinASecond) {
  Launch launch = vm_.start();
  ASSERT_EQ(::kill(launch.monitor_pid(), SIGKILL), 0);
  EXPECT_TRUE(becomes_true([&] { return is_gone(launch.engine_pid()); }, seconds(1)));
  EXPECT_TRUE(wait_until_dead(vm_.directory().get(), Deadline::after(seconds(1))));
  EXPECT_FALSE(read_exit_record(vm_.directory().get()));
  EXPECT_EQ(code_thrown_by([&] { vm_.client(); }), Code::kEngineDied);
}

TEST_F(LifecycleTest, TheSameDirectoryStartsAgainAfterAnyEnd) {
  for (const bool kill_monitor : {false, true}) {
    Launch launch = vm_.start();
    ASSERT_EQ(::kill(kill_monitor ? launch.monitor_pid() : launch.engine_pid(), SIGKILL), 0);
    ASSERT_TRUE(wait_until_dead(vm_.directory().get(), soon()));
    vm_.spec.entry.how = store::EntryChange::How::kKeep;
  }
  Launch launch = vm_.start();
  EXPECT_FALSE(read_exit_record(vm_.directory().get()));
  EXPECT_EQ(vm_.stop(seconds(5), false).state, EndState::kStopped);
  EXPECT_TRUE(exists(vm_.path("console.log.1")));
}

// Else the sweep and `store check` would know nothing of it.
TEST_F(LifecycleTest, EveryFileThatAMonitorOrAnEngineMakesIsInTheTable) {
  Launch launch = vm_.start();
  const auto expect_known = [](const std::string& path, layout::Place place) {
    for (const std::string& name : list_directory(open_directory(path).get()))
      EXPECT_NE(layout::find(place, name), nullptr) << path << ": " << name;
  };
  expect_known(vm_.path(), layout::Place::kInVm);
  expect_known(vm_.path("jail"), layout::Place::kInJail);
  vm_.stop(seconds(5), false);
  expect_known(vm_.path(), layout::Place::kInVm);
  for (const std::string& name : layout::leftovers(layout::Place::kInJail, layout::Leftover::kOfTheDead))
    EXPECT_FALSE(exists(vm_.path("jail/" + name))) << name;
}

TEST_F(LifecycleTest, AnUndoneStartOfAnExistingVmLeavesItAsItWas) {
  {
    Launch launch = vm_.start();
    vm_.stop(seconds(5), false);
  }
  const std::string before = read_file(vm_.path("exit.json"));
  vm_.spec.entry.how = store::EntryChange::How::kKeep;
  { Launch launch = vm_.begin(); }
  EXPECT_THAT(vm_.entries(), ElementsAre(vm_.spec.entry.name));
  EXPECT_FALSE(is_alive(vm_.directory().get()));
  EXPECT_EQ(read_file(vm_.path("exit.json")), before);
  EXPECT_FALSE(exists(vm_.path("monitor.sock")));
}

TEST_F(LifecycleTest, AGuestThatEndsAtItsNextStartIsToldByThatEnd) {
  {
    Launch launch = vm_.start();
    vm_.stop(seconds(5), false);
  }
  vm_.script(kPanics);
  vm_.spec.entry.how = store::EntryChange::How::kKeep;
  {
    Launch launch = vm_.begin();
    TestVm::await(launch, LaunchEvent::Kind::kReady);
    poke_guest();
    TestVm::await(launch, LaunchEvent::Kind::kEnded);
  }
  ASSERT_TRUE(wait_until_dead(vm_.directory().get(), soon()));
  EXPECT_EQ(record().state, EndState::kCrashed);
  EXPECT_EQ(record().reason, "kernel panic: fake");
}

TEST_F(LifecycleTest, ASecondMonitorOfOneDirectoryIsRefusedAndHarmsNothing) {
  Launch launch = vm_.start();
  LaunchSpec second = vm_.spec;
  second.entry.how = store::EntryChange::How::kKeep;
  EXPECT_EQ(code_thrown_by([&] { Launch(kMonitorProgram, second.entry.name).begin(second, soon()); }),
            Code::kBusy);
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
}

TEST_F(LifecycleTest, AGuestThatDoesNotListenIsEndedAfterTheTimeout) {
  vm_.script(kIgnores);
  Launch launch = vm_.start();
  const ExitRecord end = vm_.stop(milliseconds(50), false);
  EXPECT_EQ(end.state, EndState::kStopped);
  EXPECT_THAT(end.reason, HasSubstr("did not shut down"));
  EXPECT_FALSE(is_alive(vm_.directory().get()));
}

TEST_F(LifecycleTest, AGuestIsAskedAgainBeforeItsTimeIsOver) {
  vm_.script(kHesitates);
  Launch launch = vm_.start();
  EXPECT_EQ(vm_.stop(milliseconds(800), false).reason, "the guest powered off");
}

TEST_F(LifecycleTest, AForcedStopOvertakesAPatientOne) {
  vm_.script(kIgnores);
  Launch launch = vm_.start();
  std::jthread patient([this] { EXPECT_EQ(vm_.stop(seconds(600), false).state, EndState::kStopped); });
  ASSERT_TRUE(
      becomes_true([&] { return vm_.client().status(soon()).state == RunState::kStopping; }, seconds(5)));
  EXPECT_EQ(vm_.stop(seconds(0), true).state, EndState::kStopped);
}

TEST_F(LifecycleTest, SigtermToTheMonitorStopsTheGuestInAnOrderlyWay) {
  Launch launch = vm_.start();
  ASSERT_EQ(::kill(launch.monitor_pid(), SIGTERM), 0);
  ASSERT_TRUE(wait_until_dead(vm_.directory().get(), soon()));
  EXPECT_EQ(record().state, EndState::kStopped);
  EXPECT_EQ(record().rc, 0);
}

TEST_F(LifecycleTest, ATiedVmEndsWithItsCommandAndLeavesNoDirectory) {
  vm_.spec.tied = true;
  vm_.spec.remove_at_end = true;
  Launch launch = vm_.start();
  EXPECT_TRUE(vm_.client().status(soon()).tied);
  UniqueFd tie = launch.take_tie();
  tie.reset();
  EXPECT_TRUE(becomes_true([&] { return vm_.entries().empty(); }, seconds(5)));
  EXPECT_TRUE(is_gone(launch.engine_pid()));
  EXPECT_TRUE(becomes_true([&] { return is_gone(launch.monitor_pid()); }, seconds(1)));
}

TEST_F(LifecycleTest, AReleasedTieLetsTheVmLive) {
  vm_.spec.tied = true;
  vm_.spec.remove_at_end = true;
  Launch launch = vm_.start();
  {
    const UniqueFd tie = launch.take_tie();
    release_tie(tie.get(), soon());
  }
  const Status status = vm_.client().status(soon());
  EXPECT_EQ(status.state, RunState::kRunning);
  EXPECT_FALSE(status.tied);
  vm_.stop(seconds(5), false);
  EXPECT_THAT(vm_.entries(), ElementsAre(vm_.spec.entry.name));
}

TEST_F(LifecycleTest, AnEndBeforeCommitIsToldAndCanNotBeCommitted) {
  vm_.script(kPowersOff);
  {
    Launch launch = vm_.begin();
    TestVm::await(launch, LaunchEvent::Kind::kReady);
    const UniqueFd jail = open_directory(vm_.staged("jail"));
    firecracker::Client(jail.get(), "api.sock").apply(firecracker::send_ctrl_alt_del(), soon());
    const LaunchEvent ended = TestVm::await(launch, LaunchEvent::Kind::kEnded);
    EXPECT_EQ(ended.exit.state, EndState::kStopped);
    EXPECT_THAT(ended.text, HasSubstr("knaller: ready"));
    EXPECT_EQ(code_thrown_by([&] { launch.commit(soon()); }), Code::kEngineDied);
  }
  EXPECT_THAT(vm_.entries(), IsEmpty());
}

TEST_F(LifecycleTest, WhatTheMonitorDoesNotKnowIsAnsweredAsAnError) {
  Launch launch = vm_.start();
  const UniqueFd directory = vm_.directory();
  for (const std::string request :
       {R"({"v":9,"op":"levitate"})", R"({"v":1})", "[]", "nonsense", R"({"op":7})"}) {
    const UniqueFd socket = connect_unix(directory.get(), "monitor.sock", soon());
    send_all(socket.get(), request + "\n", soon(), "the monitor");
    std::string buffer;
    std::string line;
    ASSERT_TRUE(read_line(socket.get(), buffer, line, 1 << 16, soon(), "the monitor")) << request;
    const Json answer = parse_json(line, "answer");
    EXPECT_EQ(answer["ok"], false) << request;
    EXPECT_TRUE(answer["error"].contains("message")) << line;
  }
  // An endless line ends the connection, and nothing else.
  const UniqueFd socket = connect_unix(directory.get(), "monitor.sock", soon());
  const std::string piece(1 << 16, 'x');
  EXPECT_TRUE(code_thrown_by([&] {
    for (int i = 0; i < 64; ++i) send_all(socket.get(), piece, soon(), "the monitor");
  }));
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
}

// The number of descriptors that a process may have.
void limit_descriptors(pid_t pid, rlim_t most) {
  rlimit limit = {};
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit), 0);
  limit.rlim_cur = most;
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0);
}

size_t descriptors_of(pid_t pid) {
  return list_directory(open_directory(fmt::format("/proc/{}/fd", pid)).get()).size();
}

// The number that the next one gets.
rlim_t next_descriptor_of(pid_t pid) {
  rlim_t next = 0;
  while (stat_if_exists(AT_FDCWD, fmt::format("/proc/{}/fd/{}", pid, next))) ++next;
  return next;
}

// Wherever it fails, nothing of the engine that could not be made is called afterwards.
TEST_F(LifecycleTest, AnEngineThatCannotBeMadeAgainEndsTheStartAndNotTheMonitor) {
  for (rlim_t spare = 0; spare < 12; ++spare) {
    TestVm vm;
    Launch launch = vm.begin();
    TestVm::await(launch, LaunchEvent::Kind::kReady);
    // The old engine's are closed before the new one's are opened.
    limit_descriptors(launch.monitor_pid(), descriptors_of(launch.monitor_pid()) - 8 + spare);
    poke_guest(vm.staged("jail"));
    const auto ended = launch.next_event(soon());
    ASSERT_TRUE(ended);
    if (ended->kind == LaunchEvent::Kind::kReboot) {
      const auto next = launch.next_event(soon());
      EXPECT_TRUE(next &&
                  (next->kind == LaunchEvent::Kind::kEnded || next->kind == LaunchEvent::Kind::kConsole ||
                   next->kind == LaunchEvent::Kind::kReady));
    }
    EXPECT_FALSE(is_gone(launch.monitor_pid())) << spare;
  }
}

TEST_F(LifecycleTest, OneConnectionTooManyIsToldSo) {
  Launch launch = vm_.start();
  std::vector<MonitorClient> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(vm_.client());
    clients.back().status(soon());
  }
  EXPECT_EQ(code_thrown_by([&] { vm_.client().status(soon()); }), Code::kExhausted);
  clients.pop_back();
  EXPECT_TRUE(
      becomes_true([&] { return !code_thrown_by([&] { vm_.client().status(soon()); }); }, seconds(5)));
}

TEST_F(LifecycleTest, AConnectionWaitsWhileTheMonitorHasNoDescriptorForIt) {
  Launch launch = vm_.start();
  limit_descriptors(launch.monitor_pid(), next_descriptor_of(launch.monitor_pid()));
  MonitorClient client = vm_.client();
  EXPECT_EQ(code_thrown_by([&] { client.status(Deadline::after(milliseconds(50))); }), Code::kTimeout);
  limit_descriptors(launch.monitor_pid(), 1024);
  EXPECT_EQ(client.take_status(soon()).state, RunState::kRunning);
}

TEST_F(LifecycleTest, AStopMayHaveAnyTime) {
  vm_.script(kPowersOff);
  Launch launch = vm_.start();
  EXPECT_EQ(vm_.stop(milliseconds::max(), false).reason, "the guest powered off");
}

TEST_F(LifecycleTest, AStopWithoutTimeEndsTheVmAtOnce) {
  vm_.script(kIgnores);
  Launch launch = vm_.start();
  EXPECT_THAT(vm_.stop(milliseconds(-1), false).reason, HasSubstr("did not shut down within 0.0 ms"));
}

}  // namespace
}  // namespace knaller::monitor
