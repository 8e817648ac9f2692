#include "base/control_group.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "base/group_place.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"

namespace knaller {
namespace {

using std::chrono::seconds;

// On a real hierarchy of version 2, with controllers or, on a host of both versions, without.
class GroupsOfTheKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto mount = find_group_mount(read_file("/proc/self/mountinfo"), GroupVersion::k2);
    if (!mount) GTEST_SKIP() << "no control groups of version 2 here";
    const std::string name = "knaller-test-" + hex(random_bytes(4));
    folder_ = mount->point + "/" + name;
    if (::mkdir(folder_.c_str(), 0755) != 0) folder_ = prepare_group_place(name).folder;
    if (folder_.empty()) GTEST_SKIP() << "no control group of one's own here";
  }
  void TearDown() override {
    EXPECT_TRUE(folder_.empty() || ::rmdir(folder_.c_str()) == 0) << folder_ << ": " << errno;
  }
  static Child sleeper() { return spawn({.argv = {"sleep", "1000"}, .search_path = true}); }

  std::string folder_;
};

TEST_F(GroupsOfTheKernel, HoldWhoIsAddedAndEndWithAllOfThem) {
  ControlGroup group = ControlGroup::make(folder_, "web");
  EXPECT_EQ(group.path().find(folder_ + "/knaller-web-"), 0U);
  Child one = sleeper();
  Child other = sleeper();
  group.add(one.pid());
  group.add(other.pid());
  EXPECT_NE(read_file(fmt::format("/proc/{}/cgroup", one.pid())).find("/knaller-web-"), std::string::npos);
  group.remove(Deadline::after(seconds(10)));
  EXPECT_FALSE(exists(group.path()));
  for (Child* child : {&one, &other}) {
    const auto status = child->wait(Deadline::after(seconds(10)));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->value, SIGKILL);
  }
  group.remove(Deadline::after(seconds(1)));  // there is nothing left to do
}

TEST_F(GroupsOfTheKernel, OfTheDeadAreRemovedByTheNextAndNoOthers) {
  const ControlGroup used = ControlGroup::make(folder_, "used");
  const std::string left = folder_ + "/knaller-left-000000";
  const std::string foreign = folder_ + "/foreign";
  ASSERT_EQ(::mkdir(left.c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(foreign.c_str(), 0755), 0);
  { const ControlGroup next = ControlGroup::make(folder_, "next"); }
  EXPECT_FALSE(exists(left));
  EXPECT_TRUE(exists(used.path()));
  EXPECT_TRUE(exists(foreign));
  EXPECT_EQ(::rmdir(foreign.c_str()), 0);
}

TEST_F(GroupsOfTheKernel, TellWhatTheyCouldNotWrite) {
  const ControlGroup group = ControlGroup::make(folder_, "web");
  try {
    group.limit({.cpu_weight = 1'000'000});
    FAIL() << "the kernel took a weight of a million";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("cpu.weight"), std::string::npos) << error.what();
  }
}

// The number in a row of one of a group's files: "nr_periods 40".
uint64_t row_of(const ControlGroup& group, const char* file, std::string_view row) {
  const std::string text = read_file(group.fd(), file);
  for (const std::string_view line : split(text, '\n'))
    if (line.starts_with(row) && line.substr(row.size()).starts_with(' '))
      return static_cast<uint64_t>(parse_integer(line.substr(row.size() + 1), 0, INT64_MAX).value_or(0));
  return 0;
}

// With controllers, where this process may make groups that have them.
class LimitedGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    place_ = prepare_group_place("knaller-test-" + hex(random_bytes(4)));
    if (!place_.has("memory") || !place_.has("pids") || !place_.has("cpu"))
      GTEST_SKIP() << "no control group with controllers here: " << place_.why_not;
  }
  void TearDown() override {
    EXPECT_TRUE(place_.folder.empty() || ::rmdir(place_.folder.c_str()) == 0) << errno;
  }

  GroupPlace place_;
};

TEST_F(LimitedGroups, KeepTheLimitsThatTheyAreGiven) {
  const ControlGroup group = ControlGroup::make(place_.folder, "web");
  const auto read = [&](const char* file) { return std::string(trim(read_file(group.fd(), file))); };
  group.limit({.memory = 64 << 20, .processes = 20, .milli_cpus = 500, .cpu_weight = 50});
  EXPECT_EQ(read("memory.max"), std::to_string(64 << 20));
  EXPECT_EQ(read("pids.max"), "20");
  EXPECT_EQ(read("cpu.max"), "50000 100000");
  EXPECT_EQ(read("cpu.weight"), "50");
  EXPECT_EQ(read("memory.oom.group"), "1");
  group.limit({.memory = UINT64_MAX, .processes = UINT64_MAX, .milli_cpus = UINT64_MAX});
  EXPECT_EQ(read("memory.max") + read("pids.max") + read("cpu.max"), "maxmaxmax 100000");
}

TEST_F(LimitedGroups, CountWhoIsEndedForWantOfMemory) {
  ControlGroup group = ControlGroup::make(place_.folder, "web");
  group.limit({.memory = 16 << 20, .swap = 0});
  EXPECT_EQ(group.memory_kills(), 0U);
  // It waits until it is in the group.
  Pipe go = make_pipe();
  Child child = spawn({.argv = {"sh", "-c", "read go; exec dd if=/dev/zero of=/dev/null bs=256M count=1"},
                       .search_path = true,
                       .stdin_fd = go.read_end.get()});
  group.add(child.pid());
  write_all(go.write_end.get(), "go\n", "the child's input");
  const auto status = child.wait(Deadline::after(seconds(20)));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->value, SIGKILL);
  EXPECT_GE(group.memory_kills(), 1U);
  group.remove(Deadline::after(seconds(10)));
}

TEST_F(LimitedGroups, HoldNoMoreProcessesThanAllowed) {
  ControlGroup group = ControlGroup::make(place_.folder, "web");
  group.limit({.processes = 20});
  Pipe go = make_pipe();
  Child child = spawn({.argv = {"sh", "-c", "read go; for i in $(seq 40); do sleep 1000 & done; exit 0"},
                       .search_path = true,
                       .stdin_fd = go.read_end.get()});
  group.add(child.pid());
  write_all(go.write_end.get(), "go\n", "the child's input");
  const auto status = child.wait(Deadline::after(seconds(20)));
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->success());
  EXPECT_EQ(group.usage().processes, 19U);
  group.remove(Deadline::after(seconds(10)));
}

// By its CPU time, which says what it was given, however busy the host is.
TEST_F(LimitedGroups, GiveABusyProcessNoMoreOfAProcessorThanAllowed) {
  ControlGroup group = ControlGroup::make(place_.folder, "web");
  group.limit({.milli_cpus = 500});
  Child busy = spawn({.argv = {"sh", "-c", "while :; do :; done"}, .search_path = true});
  group.add(busy.pid());
  const auto begin = std::chrono::steady_clock::now();
  pause_for(seconds(4), Deadline::never());
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  const double used = static_cast<double>(group.usage().cpu_microseconds.value_or(0)) / 1e6;
  EXPECT_LE(used / passed.count(), 0.5 * 1.15);
  EXPECT_GT(used, 0.0);
  // It had the host's processors whenever it was allowed to.
  const uint64_t periods = row_of(group, "cpu.stat", "nr_periods");
  const bool kept_back = row_of(group, "cpu.stat", "nr_throttled") * 10 >= periods * 9;
  if (kept_back) {
    EXPECT_GE(used / passed.count(), 0.5 * 0.85);
  }
  group.remove(Deadline::after(seconds(10)));
}

TEST_F(LimitedGroups, LetNoMoreThroughToADiskThanAllowedAndAsMuchAsThat) {
  const TestFolder folder;
  const auto disk = disk_of(open_directory(folder.path()).get());
  if (!place_.has("io") || !disk) GTEST_SKIP() << "no disk that a control group could limit here";
  constexpr uint64_t kRate = 2 << 20;
  ControlGroup group = ControlGroup::make(place_.folder, "web");
  group.limit({.device = DeviceLimit{.device = *disk, .bytes = kRate, .operations = 0}});
  const std::string file = folder.path() + "/file";
  const auto write = [&](uint64_t mib) {
    return fmt::format("dd if=/dev/zero of={} bs=64k count={} oflag=direct conv=notrunc status=none", file,
                       mib * 16);
  };
  Pipe go = make_pipe();
  Child child = spawn({.argv = {"sh", "-c", fmt::format("read go; {} && {}", write(2), write(12))},
                       .search_path = true,
                       .stdin_fd = go.read_end.get()});
  group.add(child.pid());
  const auto begin = std::chrono::steady_clock::now();
  write_all(go.write_end.get(), "go\n", "the child's input");
  const auto status = child.wait(Deadline::after(seconds(60)));
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(status && status->success());
  EXPECT_NEAR((14 << 20) / passed.count(), kRate, kRate * 0.15);
  group.remove(Deadline::after(seconds(10)));
}

TEST(DiskOf, IsNothingForMemory) {
  const UniqueFd proc = open_at(AT_FDCWD, "/proc/self/status", O_RDONLY);
  EXPECT_EQ(disk_of(proc.get()), std::nullopt);
}

}  // namespace
}  // namespace knaller
