// Launches with the real monitor and the fake engine: start, commit, undo, stop.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>

#include "base/all_processes.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LaunchTest, StartsCommitsAndStops) {
  TestVm vm;
  Launch launch = vm.start();
  EXPECT_THAT(vm.entries(), ElementsAre(vm.spec.entry.name));
  EXPECT_TRUE(is_alive(vm.directory().get()));
  Status status = vm.client().status(soon());
  EXPECT_EQ(status.state, RunState::kRunning);
  EXPECT_EQ(status.network, "none");
  EXPECT_EQ(status.engine_pid, launch.engine_pid());
  const ExitRecord exit = vm.stop(seconds(5), false);
  EXPECT_EQ(exit.state, EndState::kStopped);
  EXPECT_FALSE(is_alive(vm.directory().get()));
  EXPECT_TRUE(is_gone(status.engine_pid));
  const auto record = read_exit_record(vm.directory().get());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, EndState::kStopped);
  EXPECT_EQ(record->rc, 0);
  EXPECT_THAT(read_file(vm.path("console.log")), HasSubstr("knaller: ready"));
  EXPECT_FALSE(exists(vm.path("monitor.sock")));
  EXPECT_FALSE(exists(vm.path("jail/api.sock")));
}

TEST(LaunchTest, ALaunchThatIsNotCommittedLeavesNothing) {
  TestVm vm;
  pid_t monitor = 0;
  pid_t engine = 0;
  {
    Launch launch = vm.begin();
    monitor = launch.monitor_pid();
    engine = launch.engine_pid();
    EXPECT_FALSE(is_gone(engine));
  }
  EXPECT_TRUE(is_gone(engine));
  EXPECT_TRUE(becomes_true([&] { return is_gone(monitor); }, seconds(1)));
  EXPECT_THAT(vm.entries(), IsEmpty());
}

bool has_monitor(const std::string& vm) {
  const std::string command = kMonitorProgram + '\0' + vm + '\0';
  bool found = false;
  for_each_process([&](pid_t, int directory) {
    found = read_file_if_exists(directory, "cmdline") == command;
    return !found;
  });
  return found;
}

TEST(LaunchTest, AMonitorThatIsToldNothingEndsWithItsLauncher) {
  const TestVm vm;
  {
    const Launch launch(kMonitorProgram, vm.spec.entry.name);
    EXPECT_TRUE(becomes_true([&] { return has_monitor(vm.spec.entry.name); }, seconds(5)));
  }
  EXPECT_TRUE(becomes_true([&] { return !has_monitor(vm.spec.entry.name); }, seconds(1)));
}

TEST(LaunchTest, AMonitorThatCannotStartIsNoticedBeforeItIsNeeded) {
  Launch broken("/bin/false", "web");
  EXPECT_EQ(code_thrown_by([&] { broken.await_monitor(soon()); }), Code::kEngineDied);
  const TestVm vm;
  Launch launch(kMonitorProgram, vm.spec.entry.name);
  launch.await_monitor(soon());
  launch.await_monitor(soon());
  EXPECT_TRUE(has_monitor(vm.spec.entry.name));
}

TEST(LaunchTest, ABeginSaysThatTheMonitorCouldNotStart) {
  const TestVm vm;
  Launch launch("/bin/false", vm.spec.entry.name);
  std::this_thread::sleep_for(milliseconds(50));  // nobody is left to read the request
  EXPECT_EQ(code_thrown_by([&] { launch.begin(vm.spec, soon()); }), Code::kEngineDied);  // not kIo
}

TEST(LaunchTest, ARefusedRequestUndoesAllAndSaysWhy) {
  TestVm vm;
  vm.script(
      R"({"rules": [{"path": "/boot-source", "status": 400, "body": "{\"fault_message\": \"no such kernel\"}"}]})");
  try {
    vm.begin();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kEngineRefused);
    EXPECT_THAT(error.what(), HasSubstr("no such kernel"));
  }
  EXPECT_THAT(vm.entries(), IsEmpty());
}

TEST(LaunchTest, AnEngineThatNeverAnswersIsGivenUpAtTheDeadline) {
  TestVm vm;
  vm.script(R"({"rules": [{"path": "/boot-source", "hang": "before"}]})");
  try {
    Launch(kMonitorProgram, vm.spec.entry.name).begin(vm.spec, Deadline::after(milliseconds(500)));
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kTimeout);
    EXPECT_THAT(error.what(), HasSubstr("did not get beyond its step"));
  }
  EXPECT_THAT(vm.entries(), IsEmpty());
}

// One that writes its console as fast as it can, and does nothing else.
TEST(LaunchTest, NoEngineIsLoudEnoughToKeepACommandFromEnding) {
  TestVm vm;
  vm.script(R"({"guest": {"loud": true}})");
  Launch launch(kMonitorProgram, vm.spec.entry.name);
  EXPECT_EQ(code_thrown_by([&] { launch.begin(vm.spec, Deadline::after(milliseconds(300))); }),
            Code::kTimeout);
  EXPECT_GT(file_size(open_at(AT_FDCWD, vm.staged("console.log"), O_RDONLY).get()), 0u);
  EXPECT_TRUE(launch.next_event(Deadline::after(milliseconds(0))));
  { const Launch over = std::move(launch); }
  EXPECT_THAT(vm.entries(), IsEmpty());
}

TEST(LaunchTest, ACallerThatStopsIsCancelledAtOnce) {
  TestVm vm;
  vm.script(R"({"rules": [{"path": "/boot-source", "hang": "before"}]})");
  std::stop_source stop;
  const auto stop_when_asked = [&](std::string_view phase, std::chrono::microseconds) {
    if (phase == "engine") stop.request_stop();
  };
  EXPECT_EQ(code_thrown_by([&] {
              Launch(kMonitorProgram, vm.spec.entry.name)
                  .begin(vm.spec, Deadline::after(seconds(30), stop.get_token()), stop_when_asked);
            }),
            Code::kCancelled);
  EXPECT_THAT(vm.entries(), IsEmpty());
}

// As a launcher does that has given up, whose name is free for the next one.
TEST(LaunchTest, OnlyItsOwnDirectoryGetsTheName) {
  for (const bool replaces : {false, true}) {
    TestVm vm;
    if (replaces) vm.spec.entry.how = store::EntryChange::How::kReplace;
    if (replaces) make_directories(vm.path("old"));
    Launch launch = vm.begin();
    ASSERT_EQ(::rename(vm.staged().c_str(), (vm.home() + "/vms/.gone-elsewhere").c_str()), 0);
    make_directories(vm.staged("other"));
    EXPECT_EQ(code_thrown_by([&] { launch.commit(soon()); }), Code::kWrongState);
    EXPECT_TRUE(exists(vm.staged("other")));
    EXPECT_EQ(exists(vm.path("old")), replaces);
    EXPECT_FALSE(exists(vm.path("other")));
  }
}

TEST(LaunchTest, AMonitorThatWakesAfterItsLauncherGaveUpDoesNotCommit) {
  TestVm vm;
  Launch launch = vm.begin();
  const UniqueFd monitor = open_pidfd(launch.monitor_pid());
  signal_pidfd(monitor.get(), SIGSTOP);
  EXPECT_EQ(code_thrown_by([&] { launch.commit(Deadline::after(milliseconds(1))); }), Code::kTimeout);
  ASSERT_EQ(::shutdown(launch.event_fd(), SHUT_WR), 0);
  signal_pidfd(monitor.get(), SIGCONT);
  EXPECT_TRUE(becomes_true([&] { return is_gone(launch.monitor_pid()); }, seconds(10)));
  EXPECT_THAT(vm.entries(), IsEmpty());
}

// What is read of a line stays for the next call.
TEST(LaunchTest, HalfALineAtTheDeadlineIsNoEventYet) {
  const TestVm vm;
  const std::string monitor = vm.folder("half-a-line");
  write_file_atomically(AT_FDCWD, monitor, R"(#!/bin/sh
( read launch <&3
  echo '{"event": "started", "monitor_pid": 1, "engine_pid": 1}' >&3
  printf '{"event": "con' >&3
  read commit <&3
  printf 'sole", "text": "x"}\n{"event": "committed"}\n' >&3
) &
)",
                        Durability::kNoSync, 0700);
  Launch launch(monitor, vm.spec.entry.name);
  launch.begin(vm.spec, soon());
  EXPECT_FALSE(launch.next_event(Deadline::after(milliseconds(20))));
  EXPECT_FALSE(launch.next_event(Deadline::after(milliseconds(0))));
  launch.commit(soon());
  EXPECT_EQ(launch.next_event(soon())->text, "x");
}

TEST(LaunchTest, AnEngineThatEndsEarlyIsNamedWithItsExitCodeAndConsole) {
  TestVm vm;
  vm.script(R"({"rules": [{"path": "/actions", "die": "before", "exit_code": 7}]})");
  try {
    vm.begin();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kEngineDied);
    EXPECT_THAT(error.what(), HasSubstr("exit code 7"));
  }
  EXPECT_THAT(vm.entries(), IsEmpty());
}

}  // namespace
}  // namespace knaller::monitor
