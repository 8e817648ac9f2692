// Launchers that are killed at any moment, and engines that turn against the monitor.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "base/process.h"
#include "base/socket.h"
#include "firecracker/client.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Processes that belong to a VM of this uuid: its engine by its arguments, its pasta and its monitor by where
// they work.
std::vector<std::string> processes_of(const TestVm& vm) {
  std::vector<std::string> found;
  for (const auto& entry : list_directory(open_directory("/proc").get())) {
    const auto pid = parse_integer(entry, 1, 1 << 30);
    if (!pid || *pid == ::getpid() || is_gone(static_cast<pid_t>(*pid))) continue;
    char cwd[4096];
    const ssize_t length = ::readlink(("/proc/" + entry + "/cwd").c_str(), cwd, sizeof cwd);
    const std::string where(cwd, length < 0 ? 0 : static_cast<size_t>(length));
    std::string arguments;
    try {
      arguments = read_file("/proc/" + entry + "/cmdline");
    } catch (const Error&) {  // it ended just now
    }
    if (where.starts_with(vm.home()) || arguments.find(vm.spec.uuid) != std::string::npos ||
        arguments.find(vm.spec.entry.name) != std::string::npos) {
      found.push_back(entry + " " + printable(arguments));
    }
  }
  return found;
}

[[noreturn]] void launch_and_hang(TestVm& vm) {
  try {
    Launch launch = vm.begin();
    launch.commit(soon());
    while (true) ::pause();
  } catch (const std::exception&) {
    ::_exit(1);
  }
}

TEST(KillTest, ALauncherThatIsKilledAtAnyMomentLeavesAllOrNothing) {
  std::mt19937 random(20261123);
  std::uniform_int_distribution<int> delays(0, 80'000);
  const bool network = !find_program("pasta").empty() && ::access("/dev/net/tun", R_OK | W_OK) == 0;
  int whole = 0;
  int none = 0;
  for (int round = 0; round < 60; ++round) {
    TestVm vm;
    if (network && round % 2 == 0) {
      vm.spec.pasta_binary = find_program("pasta");
      vm.spec.network = net::standard_plan({{.host = 0, .guest = 22}});
    }
    const pid_t launcher = ::fork();
    if (launcher == 0) launch_and_hang(vm);
    pause_for(microseconds(delays(random)), Deadline::never());
    ASSERT_EQ(::kill(launcher, SIGKILL), 0);
    ASSERT_EQ(::waitpid(launcher, nullptr, 0), launcher);
    const auto settled = [&] {
      if (exists(vm.path())) return true;
      // Killed before it had told a monitor anything: its own staged directory is for the next command's
      // sweep.
      return processes_of(vm).empty() &&
             !(exists(vm.staged()) && is_alive(open_directory(vm.staged()).get()));
    };
    ASSERT_TRUE(becomes_true(settled, seconds(5))) << "round " << round;
    if (exists(vm.path())) {
      ++whole;
      EXPECT_EQ(vm.client().status(soon()).state, RunState::kRunning) << "round " << round;
      vm.stop(seconds(0), true);
      EXPECT_TRUE(becomes_true([&] { return processes_of(vm).empty(); }, seconds(2)));
      continue;
    }
    ++none;
  }
  RecordProperty("whole", whole);
  RecordProperty("none", none);
  EXPECT_EQ(whole + none, 60);
}

TEST(KillTest, AMonitorThatIsKilledAtAnyMomentOfTheStartTakesEverythingWithIt) {
  std::mt19937 random(42);
  std::uniform_int_distribution<int> delays(0, 40'000);
  for (int round = 0; round < 20; ++round) {
    TestVm vm;
    const pid_t launcher = ::fork();
    if (launcher == 0) launch_and_hang(vm);
    pause_for(microseconds(delays(random)), Deadline::never());
    for (const auto& process : processes_of(vm)) {
      if (process.find("knaller-monitor") == std::string::npos) continue;
      ::kill(static_cast<pid_t>(std::stoi(process)), SIGKILL);
    }
    // The launcher may have nothing to wait for any more, or a VM that was never touched; it is ended either
    // way.
    ::kill(launcher, SIGKILL);
    ASSERT_EQ(::waitpid(launcher, nullptr, 0), launcher);
    if (exists(vm.path()) && is_alive(vm.directory().get())) {
      try {
        vm.stop(seconds(0), true);
      } catch (const Error&) {  // its monitor was killed just after the commit
      }
    }
    EXPECT_TRUE(becomes_true([&] { return processes_of(vm).empty(); }, seconds(2)))
        << "round " << round << ": " << testing::PrintToString(processes_of(vm));
  }
}

// The jail directory belongs to the engine: whatever it does there must lead nowhere.
class HostileEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    write_file_atomically(AT_FDCWD, secret(), "the user's own");
    // Somebody else's socket, which nobody must be led to.
    folder_ = open_directory(vm_.folder(""));
    other_ = listen_unix(folder_.get(), "other.sock");
  }
  std::string secret() const { return vm_.folder("secret"); }
  void swap_for_link(const std::string& file, const std::string& target) {
    const std::string path = vm_.path("jail/" + file);
    remove_tree(AT_FDCWD, path);
    ASSERT_EQ(::symlink(target.c_str(), path.c_str()), 0);
  }
  void expect_untouched() {
    EXPECT_EQ(read_file(secret()), "the user's own");
    EXPECT_EQ(poll_until(other_.get(), POLLIN, Deadline::after(milliseconds(0))), 0) << "somebody connected";
  }

  TestVm vm_;
  UniqueFd folder_;
  UniqueFd other_;
};

TEST_F(HostileEngineTest, ASwappedSocketLeadsNowhere) {
  Launch launch = vm_.start();
  swap_for_link("api.sock", vm_.folder("other.sock"));
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kStuck);
  EXPECT_TRUE(code_thrown_by([&] { vm_.client().lease("snapshot", soon()).pause(soon()); }));
  EXPECT_EQ(vm_.stop(seconds(5), false).state, EndState::kStopped);
  EXPECT_FALSE(exists(vm_.path("jail/api.sock")));
  expect_untouched();
}

TEST_F(HostileEngineTest, SwappedFilesAreNotFollowedWhenTheGuestReboots) {
  Launch launch = vm_.start();
  swap_for_link("log", secret());
  const UniqueFd jail = open_directory(vm_.path("jail"));
  const firecracker::Client client(jail.get(), "api.sock");
  client.apply(firecracker::send_ctrl_alt_del(), soon());
  ASSERT_TRUE(becomes_true(
      [&] {
        const Status status = vm_.client().status(soon());
        return status.reboots == 1 && status.state == RunState::kRunning;
      },
      seconds(10)));
  struct stat status;
  ASSERT_EQ(::lstat(vm_.path("jail/log").c_str(), &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  expect_untouched();
}

TEST_F(HostileEngineTest, FifosAndFoldersInPlaceOfFilesHangNothing) {
  Launch launch = vm_.start();
  for (const auto* name : {"state", "memory", "exit.json"}) {
    ASSERT_EQ(::mkfifo(vm_.path(std::string("jail/") + name).c_str(), 0600), 0);
  }
  remove_tree(AT_FDCWD, vm_.path("jail/api.sock"));
  make_directories(vm_.path("jail/api.sock/deep/er"));
  remove_tree(AT_FDCWD, vm_.path("jail/log"));
  make_directories(vm_.path("jail/log/deep"));
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kStuck);
  EXPECT_EQ(vm_.stop(seconds(5), true).state, EndState::kStopped);
  EXPECT_FALSE(exists(vm_.path("jail/api.sock")));
  expect_untouched();
}

TEST_F(HostileEngineTest, AnImmutableFileThatWasSwappedIsRefusedAtTheNextStart) {
  {
    Launch launch = vm_.start();
    vm_.stop(seconds(5), true);
  }
  swap_for_link("vmlinux", secret());
  vm_.spec.entry.how = store::EntryChange::How::kKeep;
  EXPECT_EQ(code_thrown_by([&] { vm_.begin(); }), Code::kCorrupt);
  EXPECT_FALSE(is_alive(vm_.directory().get()));
  expect_untouched();
}

TEST_F(HostileEngineTest, AConsoleThatNeverStopsFillsNoDisk) {
  Launch launch = vm_.start();
  // Through the descriptor that the engine has: its standard output.
  const UniqueFd console = open_at(AT_FDCWD, fmt::format("/proc/{}/fd/1", launch.engine_pid()), O_WRONLY);
  const std::string piece(1 << 16, 'x');
  for (int i = 0; i < 400; ++i) write_all(console.get(), piece, "the console");
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
  vm_.stop(seconds(5), true);
  struct stat now;
  struct stat before;
  ASSERT_EQ(::stat(vm_.path("console.log").c_str(), &now), 0);
  ASSERT_EQ(::stat(vm_.path("console.log.1").c_str(), &before), 0);
  EXPECT_LE(now.st_size + before.st_size, 16 << 20);
  EXPECT_GE(now.st_size + before.st_size, 8 << 20);
}

#if !defined(KNALLER_ASAN) && !defined(KNALLER_TSAN)  // its shadow memory would be counted
TEST(MonitorMemoryTest, TheMonitorStaysSmall) {
  TestVm vm;
  if (!find_program("pasta").empty() && ::access("/dev/net/tun", R_OK | W_OK) == 0) {
    vm.spec.pasta_binary = find_program("pasta");
    vm.spec.network = net::standard_plan({{.host = 0, .guest = 22}});
  }
  Launch launch = vm.start();
  for (int i = 0; i < 20; ++i) vm.client().status(soon());
  int64_t private_kib = 0;
  const std::string rollup = read_file(fmt::format("/proc/{}/smaps_rollup", launch.monitor_pid()));
  for (const auto line : split(rollup, '\n')) {
    if (!line.starts_with("Private_Clean:") && !line.starts_with("Private_Dirty:")) continue;
    const auto number = trim(line.substr(14, line.size() - 14 - 2));
    private_kib += parse_integer(number, 0, 1 << 30).value_or(1 << 30);
  }
  RecordProperty("private_kib", static_cast<int>(private_kib));
  EXPECT_GT(private_kib, 0);
  EXPECT_LE(private_kib, 3 << 10);
}
#endif

}  // namespace
}  // namespace knaller::monitor
