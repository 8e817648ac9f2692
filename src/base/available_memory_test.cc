#include "base/available_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/control_group.h"
#include "base/group_place.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// The mount of a hierarchy, as far as it has something to say of memory.
class ControlGroups : public ::testing::Test {
 protected:
  void write(const std::string& group, const std::string& name, const std::string& text) const {
    make_directories(folder_.path() + group);
    std::ofstream(folder_.path() + group + "/" + name) << text << "\n";
  }
  void write_2(const std::string& group, const std::string& most, uint64_t used, uint64_t cache) const {
    write(group, "memory.max", most);
    write(group, "memory.current", std::to_string(used));
    write(group, "memory.stat", fmt::format("anon 1\ninactive_file {}\nactive_file {}", cache, 0));
  }
  void write_1(const std::string& group, uint64_t most, uint64_t used, uint64_t cache) const {
    write(group, "memory.limit_in_bytes", std::to_string(most));
    write(group, "memory.usage_in_bytes", std::to_string(used));
    write(group, "memory.stat",
          fmt::format("inactive_file 0\ntotal_inactive_file {}\ntotal_active_file 0", cache));
  }
  std::string mounts_2(const std::string& root = "/") const {
    return fmt::format(
        "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n"
        "2 1 0:5 {} {} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
        root, folder_.path());
  }
  std::string mounts_1(const std::string& root = "/") const {
    return fmt::format(
        "2 1 0:5 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n"
        "3 1 0:6 {} {} rw,nosuid shared:7 - cgroup cgroup rw,memory\n",
        root, folder_.path());
  }

  TestFolder folder_;
};

TEST_F(ControlGroups, WithoutALimitLeaveAll) {
  write_2("/a", "max", 5 * kMiB, 0);
  EXPECT_EQ(left_by_control_groups("0::/a\n", mounts_2()), UINT64_MAX);
  EXPECT_EQ(left_by_control_groups("0::/not/there\n", mounts_2()), UINT64_MAX);
  EXPECT_EQ(left_by_control_groups("", ""), UINT64_MAX);
  EXPECT_EQ(left_by_control_groups("garbage\n:\n::\n", "garbage - cgroup2\n- - - -\n"), UINT64_MAX);
}

TEST_F(ControlGroups, OfVersion2LeaveWhatTheTightestLimitDoes) {
  write_2("/a", std::to_string(300 * kMiB), 250 * kMiB, 100 * kMiB);
  write_2("/a/b", std::to_string(800 * kMiB), 200 * kMiB, 0);
  EXPECT_EQ(left_by_control_groups("0::/a/b\n", mounts_2()), 150 * kMiB);
  write("/a/b", "memory.high", std::to_string(240 * kMiB));
  EXPECT_EQ(left_by_control_groups("0::/a/b\n", mounts_2()), 40 * kMiB);
  write("/a/b", "memory.high", std::to_string(10 * kMiB));
  EXPECT_EQ(left_by_control_groups("0::/a/b\n", mounts_2()), 0U);
}

// As in a container: its group is the root of what it sees mounted, named or not.
TEST_F(ControlGroups, OfAContainerAreThoseThatAreMounted) {
  write_2("", std::to_string(300 * kMiB), 100 * kMiB, 0);
  EXPECT_EQ(left_by_control_groups("0::/\n", mounts_2()), 200 * kMiB);
  EXPECT_EQ(left_by_control_groups("0::/../other\n", mounts_2()), 200 * kMiB);
  write_1("", 300 * kMiB, 100 * kMiB, 50 * kMiB);
  EXPECT_EQ(left_by_control_groups("4:memory:/docker/1\n", mounts_1("/docker/1")), 250 * kMiB);
}

TEST_F(ControlGroups, OfVersion1LeaveWhatTheTightestLimitDoes) {
  write_1("", INT64_MAX / 4096 * 4096, 9000 * kMiB, 0);
  write_1("/a", 300 * kMiB, 250 * kMiB, 100 * kMiB);
  EXPECT_EQ(left_by_control_groups("9:name=systemd:/x\n8:cpu,cpuacct:/y\n4:memory:/a\n0::/\n", mounts_1()),
            150 * kMiB);
}

TEST(AvailableMemory, IsNoMoreThanThisMachineHas) {
  const auto pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
  EXPECT_GT(available_memory(), 0U);
  EXPECT_LE(available_memory(), pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
}

// A real group of version 1, where this process may make one.
TEST(AvailableMemory, IsWhatTheControlGroupLeaves) {
  const std::string group = "/sys/fs/cgroup/memory/knaller-test-" + std::to_string(::getpid());
  if (::mkdir(group.c_str(), 0755) != 0) GTEST_SKIP() << "no control group of one's own here";
  std::ofstream(group + "/memory.limit_in_bytes") << 64 * kMiB;
  const std::string mounts = read_file("/proc/self/mountinfo");
  const uint64_t left =
      left_by_control_groups("4:memory:/" + group.substr(group.rfind('/') + 1) + "\n", mounts);
  EXPECT_EQ(::rmdir(group.c_str()), 0);
  EXPECT_EQ(left, 64 * kMiB);
}

// A real group of version 2, likewise.
TEST(AvailableMemory, IsWhatTheControlGroupOfVersion2Leaves) {
  const GroupPlace place = prepare_group_place("knaller-test-" + hex(random_bytes(4)));
  if (!place.has("memory")) GTEST_SKIP() << "no control group with controllers here: " << place.why_not;
  {
    const ControlGroup group = ControlGroup::make(place.folder, "web");
    group.limit({.memory = 64 * kMiB});
    const std::string mounts = read_file("/proc/self/mountinfo");
    const std::string path = group.path().substr(find_group_mount(mounts, GroupVersion::k2)->point.size());
    EXPECT_EQ(left_by_control_groups("0::" + path + "\n", mounts), 64 * kMiB);
    EXPECT_EQ(limit_of_control_groups("0::" + path + "\n", mounts), 64 * kMiB);
  }
  EXPECT_EQ(::rmdir(place.folder.c_str()), 0);
}

}  // namespace
}  // namespace knaller
