#include "store/home.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "base/test_folder.h"
#include "store/owner.h"

namespace knaller::store {
namespace {

class HomeTest : public testing::Test {
 protected:
  std::string path() const { return folder_.path("home with spaces"); }
  static Deadline soon() { return Deadline::after(std::chrono::milliseconds(50)); }

  TestFolder folder_;
};

TEST_F(HomeTest, MakesPrivateDirectories) {
  const Home home = Home::open(path());
  for (const char* name : {"", "/vms", "/snapshots", "/images", "/locks"}) {
    const auto info = stat_if_exists(AT_FDCWD, home.path() + name);
    ASSERT_TRUE(info) << name;
    EXPECT_EQ(info->st_mode & 07777, 0700u) << name;
  }
}

TEST_F(HomeTest, LeavesTheModesOfAHomeThatIsThere) {
  make_directories(path() + "/snapshots", 0755);
  Home::open(path());
  EXPECT_EQ(stat_if_exists(AT_FDCWD, path() + "/snapshots")->st_mode & 07777, 0755u);
}

TEST_F(HomeTest, RefusesWhatOthersMayWrite) {
  Home::open(path());
  make_directories(path() + "/cache");
  for (const char* name : {"", "/vms", "/snapshots", "/images", "/locks", "/cache"}) {
    const std::string folder = path() + name;
    for (const mode_t mode : {0777, 01777, 0702}) {
      ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
      try {
        Home::open(path());
        ADD_FAILURE() << folder;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kPermission);
        EXPECT_EQ(error.hint(), "chmod go-w '" + folder + "'");
      }
    }
    ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
    Home::open(path());
  }
}

TEST(Owner, IsThisUserOrRootAndNobodyElseWrites) {
  const auto is_own = [](uid_t owner, mode_t mode, uid_t self, bool own_group) {
    struct stat folder {};
    folder.st_uid = owner;
    folder.st_mode = S_IFDIR | mode;
    return why_not_own(folder, self, own_group).empty();
  };
  EXPECT_TRUE(is_own(1000, 0755, 1000, false));
  EXPECT_TRUE(is_own(0, 0755, 1000, false));
  EXPECT_TRUE(is_own(1000, 0775, 1000, true)) << "umask 002 and a group of one's own";
  EXPECT_FALSE(is_own(1000, 0775, 1000, false));
  EXPECT_FALSE(is_own(1000, 0757, 1000, true));
  EXPECT_FALSE(is_own(1001, 0755, 1000, false));
  EXPECT_FALSE(is_own(1000, 0755, 0, false)) << "root uses nobody else's";
}

TEST_F(HomeTest, RefusesARelativePath) {
  EXPECT_EQ(code_thrown_by([] { Home::open("relative"); }), Code::kInvalidArgument);
}

TEST_F(HomeTest, AnEntryIsThereOnlyOncePublished) {
  const Home home = Home::open(path());
  const LockFile lock = home.lock(Kind::kVm, "web", "start", soon());
  StagedEntry staged(home, Kind::kVm, "web");
  write_file_atomically(staged.directory(), "vm.json", "{}");
  EXPECT_TRUE(home.entries(Kind::kVm).empty());
  EXPECT_EQ(home.entries_in_making(Kind::kVm), std::vector<std::string>{"web"});
  staged.publish();
  EXPECT_EQ(home.entries(Kind::kVm), std::vector<std::string>{"web"});
  EXPECT_EQ(read_file(home.open_entry(Kind::kVm, "web").get(), "vm.json"), "{}");
}

TEST_F(HomeTest, AnAbandonedEntryIsRemoved) {
  const Home home = Home::open(path());
  { StagedEntry staged(home, Kind::kImage, "tiny"); }
  EXPECT_TRUE(list_directory(home.folder(Kind::kImage)).empty());
}

// A monitor that has lost its launcher may publish while the launcher undoes.
TEST_F(HomeTest, AnAbandonedEntryThatGetsItsNameMeanwhileIsWhole) {
  const Home home = Home::open(path());
  const int vms = home.folder(Kind::kVm);
  constexpr size_t kFiles = 40;
  size_t published = 0;
  for (int round = 0; round < 300; ++round) {
    std::thread monitor;
    {
      StagedEntry staged(home, Kind::kVm, "web");
      for (size_t i = 0; i < kFiles; ++i)
        open_at(staged.directory(), std::to_string(i), O_WRONLY | O_CREAT | O_EXCL, 0600);
      monitor = std::thread([vms] { ::renameat2(vms, ".new-web", vms, "web", RENAME_NOREPLACE); });
    }
    monitor.join();
    if (!home.has(Kind::kVm, "web")) continue;
    ++published;
    ASSERT_EQ(list_directory(home.open_entry(Kind::kVm, "web").get()).size(), kFiles) << "round " << round;
    home.retire(Kind::kVm, "web");
  }
  RecordProperty("published", static_cast<int>(published));
}

TEST_F(HomeTest, NeverReplacesAPublishedEntry) {
  const Home home = Home::open(path());
  StagedEntry first(home, Kind::kVm, "web");
  first.publish();
  EXPECT_EQ(code_thrown_by([&] { StagedEntry(home, Kind::kVm, "web"); }), Code::kAlreadyExists);
}

TEST_F(HomeTest, SweepRemovesWhatNobodyHolds) {
  const Home home = Home::open(path());
  make_directories(home.path() + "/vms/.new-dead/jail");
  make_directories(home.path() + "/snapshots/.gone-snap_00000000");
  make_directories(home.path() + "/vms/kept");
  home.sweep();
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), std::vector<std::string>{"kept"});
  EXPECT_TRUE(list_directory(home.folder(Kind::kSnapshot)).empty());
}

// As exchange_names() leaves it on a file system that can't do it in one step.
TEST_F(HomeTest, SweepFinishesAnExchangeOfNames) {
  const Home home = Home::open(path());
  make_directories(home.path() + "/vms/.old-web/it");
  make_directories(home.path() + "/vms/.new-web");
  make_directories(home.path() + "/vms/db");
  make_directories(home.path() + "/vms/.old-db/it");
  home.sweep();
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), (std::vector<std::string>{"db", "web"}));
  EXPECT_TRUE(stat_if_exists(home.folder(Kind::kVm), "web/it"));
  EXPECT_FALSE(stat_if_exists(home.folder(Kind::kVm), "db/it"));
}

TEST_F(HomeTest, SweepLeavesWhatSomebodyWorksOn) {
  const Home home = Home::open(path());
  const LockFile lock = home.lock(Kind::kVm, "web", "start", soon());
  StagedEntry staged(home, Kind::kVm, "web");
  home.sweep();
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), std::vector<std::string>{".new-web"});
}

TEST_F(HomeTest, SweepLeavesAVmWhoseMonitorLives) {
  const Home home = Home::open(path());
  make_directories(home.path() + "/vms/.new-web");
  const UniqueFd alive = open_at(home.folder(Kind::kVm), ".new-web/alive", O_RDWR | O_CREAT);
  ASSERT_TRUE(try_lock_byte(alive.get(), 0));
  home.sweep();
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), std::vector<std::string>{".new-web"});
}

TEST_F(HomeTest, ASecondCommandIsToldWhoHoldsTheLock) {
  const Home home = Home::open(path());
  const LockFile lock = home.lock(Kind::kVm, "web", "snapshot create", soon());
  try {
    home.lock(Kind::kVm, "web", "stop", soon());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBusy);
    EXPECT_NE(error.message().find("snapshot create"), std::string::npos) << error.message();
  }
}

TEST_F(HomeTest, RetireRemovesTheWholeEntry) {
  const Home home = Home::open(path());
  make_directories(home.path() + "/vms/web/jail");
  home.retire(Kind::kVm, "web");
  EXPECT_TRUE(list_directory(home.folder(Kind::kVm)).empty());
}

}  // namespace
}  // namespace knaller::store
