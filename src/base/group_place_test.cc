#include "base/group_place.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

// A hierarchy of plain files, as far as the choice of a place looks at it. What a kernel does with one is
// tried on a real one (control_group_test.cc, tests/system/limits.bats).
class Places : public ::testing::Test {
 protected:
  enum class Mine { kNo, kYes };
  void group(const std::string& path, Mine mine, const std::string& processes = "") const {
    const std::string folder = folder_.path() + path;
    make_directories(folder);
    const auto write = [&](const char* name, const std::string& text) {
      std::ofstream(folder + "/" + name) << text << "\n";
    };
    write("cgroup.controllers", "cpuset cpu memory pids");
    if (!path.empty()) write("cgroup.type", "domain");
    write("cgroup.procs", processes);
    // What is missing can't be written by root either.
    if (mine == Mine::kYes) write("cgroup.subtree_control", "cpu memory pids");
  }
  GroupPlace place(const std::string& own, const std::string& slice = {}) const {
    return prepare_group_place(slice, "1:name=systemd:/x\n0::" + own + "\n",
                               "2 1 0:5 / " + folder_.path() + " rw,nosuid - cgroup2 cgroup2 rw\n");
  }
  std::string at(const std::string& path) const { return folder_.path() + path; }

  TestFolder folder_;
};

TEST_F(Places, OfRootAreAtTheTopThoughItHoldsProcesses) {
  group("", Mine::kYes, "1\n2");
  group("/knaller", Mine::kYes);
  group("/user.slice", Mine::kYes);
  group("/user.slice/session-1.scope", Mine::kYes, "77");
  const GroupPlace found = place("/user.slice/session-1.scope");
  EXPECT_EQ(found.folder, at("/knaller"));
  EXPECT_TRUE(found.has("memory"));
  EXPECT_FALSE(found.has("io"));
  EXPECT_NE(found.why_not.find("lacks the controllers"), std::string::npos) << found.why_not;
}

TEST_F(Places, OfAUserAreInTheTopmostGroupThatIsDelegated) {
  group("", Mine::kNo);
  group("/user.slice", Mine::kNo);
  group("/user.slice/user@7.service", Mine::kYes);
  group("/user.slice/user@7.service/knaller", Mine::kYes);
  group("/user.slice/user@7.service/app.slice", Mine::kYes);
  group("/user.slice/user@7.service/app.slice/run-1.scope", Mine::kYes, "77");
  EXPECT_EQ(place("/user.slice/user@7.service/app.slice/run-1.scope").folder,
            at("/user.slice/user@7.service/knaller"));
}

TEST_F(Places, AreNeverBesideProcesses) {
  group("", Mine::kNo);
  group("/a", Mine::kYes, "5");
  group("/a/b", Mine::kYes);
  group("/a/b/knaller", Mine::kYes);
  group("/a/b/c", Mine::kYes, "77");
  EXPECT_EQ(place("/a/b/c").folder, at("/a/b/knaller"));
}

TEST_F(Places, AreNowhereInAScopeThatIsNotDelegated) {
  group("", Mine::kNo);
  group("/session-1.scope", Mine::kNo, "77");
  const GroupPlace found = place("/session-1.scope");
  EXPECT_EQ(found.folder, "");
  EXPECT_NE(found.why_not.find("/session-1.scope"), std::string::npos);
  EXPECT_NE(found.remedy.find("systemd-run --user --scope"), std::string::npos);
}

// Who puts a command into a scope with limits means its VMs, too.
TEST_F(Places, AreNotOutsideOfLimitsThatTheProcessIsIn) {
  group("", Mine::kYes);
  group("/knaller", Mine::kYes);
  group("/ci.slice", Mine::kYes);
  group("/ci.slice/knaller", Mine::kYes);
  group("/ci.slice/job.scope", Mine::kYes, "77");
  std::ofstream(at("/ci.slice/memory.max")) << "1000000\n";
  std::ofstream(at("/ci.slice/job.scope/memory.max")) << "max\n";
  EXPECT_EQ(place("/ci.slice/job.scope").folder, at("/ci.slice/knaller"));
  std::ofstream(at("/ci.slice/job.scope/cpu.max")) << "50000 100000\n";
  EXPECT_EQ(place("/ci.slice/job.scope").folder, "");
  EXPECT_NE(place("/ci.slice/job.scope").why_not.find("job.scope"), std::string::npos);
  // Who names one knows what he does.
  EXPECT_EQ(place("/ci.slice/job.scope", "knaller").folder, at("/knaller"));
}

// Its own group is delegated, but holds the process itself.
TEST_F(Places, AreNotInTheProcesssOwnGroup) {
  group("", Mine::kNo);
  group("/run-1.scope", Mine::kYes, "77");
  EXPECT_EQ(place("/run-1.scope").folder, "");
}

TEST_F(Places, NeedVersion2) {
  const GroupPlace found =
      prepare_group_place({}, "0::/\n", "2 1 0:5 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  EXPECT_EQ(found.folder, "");
  EXPECT_NE(found.remedy.find("unified_cgroup_hierarchy"), std::string::npos);
}

TEST_F(Places, MayBeASliceOfTheUsers) {
  group("", Mine::kYes);
  group("/ci.slice", Mine::kYes);
  group("/ci.slice/builds", Mine::kYes);
  EXPECT_EQ(place("/", "ci.slice/builds").folder, at("/ci.slice/builds"));
  group("/busy", Mine::kYes, "9");
  group("/theirs", Mine::kNo);
  const auto code_of = [this](const std::string& slice) {
    try {
      place("/", slice);
    } catch (const Error& error) {
      EXPECT_NE(error.hint(), "") << error.what();
      return error.code();
    }
    ADD_FAILURE() << slice << " was taken";
    return Code::kInternal;
  };
  EXPECT_EQ(code_of("busy"), Code::kBusy);
  EXPECT_EQ(code_of("theirs"), Code::kPermission);
  for (const char* bad : {"/ci.slice", "../x", "a//b", "a/../b", ".", "a/", "cgroup.procs", "a\nb"})
    EXPECT_EQ(code_of(bad), Code::kInvalidArgument) << bad;
}

TEST(GroupOfVersion2, IsTheLineWithoutControllers) {
  EXPECT_EQ(group_of_version_2("9:memory:/a\n0::/b/c\n"), "/b/c");
  EXPECT_EQ(group_of_version_2("9:memory:/a\n"), std::nullopt);
}

}  // namespace
}  // namespace knaller
