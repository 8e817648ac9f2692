#include "store/home.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test_folder.h"
#include "store/fields.h"
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
    for (const mode_t mode : {0777U, 01777U, 0702U}) {
      ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
      try {
        Home::open(path());
        ADD_FAILURE() << folder;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kPermission);
        EXPECT_TRUE(error.hint().starts_with("chmod go-w '" + folder + "', and look for")) << error.hint();
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

// Only root can give a file to somebody else.
TEST_F(HomeTest, RefusesEntriesOfAnotherUser) {
  const Home home = Home::open(path());
  make_directories(path() + "/vms/web");
  EXPECT_NO_THROW(home.open_entry(Kind::kVm, "web"));
  write_file_atomically(AT_FDCWD, path() + "/vms/web/vm.json", "{}");
  const UniqueFd own = home.open_entry(Kind::kVm, "web");
  EXPECT_EQ(read_own_record(own.get(), "vm.json"), "{}");
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown((path() + "/vms/web/vm.json").c_str(), 12345, 0), 0);
  EXPECT_EQ(code_thrown_by([&] { read_own_record(own.get(), "vm.json"); }), Code::kPermission);
  ASSERT_EQ(::chown((path() + "/vms/web").c_str(), 12345, 0), 0);
  EXPECT_EQ(code_thrown_by([&] { home.open_entry(Kind::kVm, "web"); }), Code::kPermission);
}

TEST_F(HomeTest, RefusesARelativePath) {
  EXPECT_EQ(code_thrown_by([] { Home::open("relative"); }), Code::kInvalidArgument);
}

TEST_F(HomeTest, ASecondCommandIsToldWhoHoldsTheLock) {
  const Home home = Home::open(path());
  const EntryLock lock = home.lock(Kind::kVm, "web", "snapshot create", soon());
  try {
    home.lock(Kind::kVm, "web", "stop", soon());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBusy);
    EXPECT_NE(error.message().find("snapshot create"), std::string::npos) << error.message();
  }
}

// An entry that never came to be, or that was removed, leaves nothing.
TEST_F(HomeTest, ALockWithoutAnEntryTakesItsFileAlong) {
  const Home home = Home::open(path());
  { const EntryLock lock = home.lock(Kind::kVm, "web", "start", soon()); }
  EXPECT_TRUE(list_directory(home.locks()).empty());
  make_directories(home.path() + "/vms/web");
  make_directories(home.path() + "/vms/.new-db");
  for (const char* name : {"web", "db"}) const EntryLock lock = home.lock(Kind::kVm, name, "start", soon());
  EXPECT_EQ(list_directory(home.locks()), (std::vector<std::string>{"vm-db", "vm-web"}));
  EXPECT_FALSE(home.is_locked(Kind::kVm, "web"));
  home.lock(Kind::kVm, "web", "start", soon()).end_without_file();
  EXPECT_EQ(list_directory(home.locks()), std::vector<std::string>{"vm-db"});
}

TEST_F(HomeTest, ALockThatIsMovedIsHeldOn) {
  const Home home = Home::open(path());
  std::optional<EntryLock> kept;
  {
    EntryLock lock = home.lock(Kind::kVm, "web", "start", soon());
    kept = std::move(lock);
  }
  EXPECT_TRUE(home.is_locked(Kind::kVm, "web"));
  kept = home.lock(Kind::kVm, "db", "start", soon());
  EXPECT_EQ(list_directory(home.locks()), std::vector<std::string>{"vm-db"});
}

}  // namespace
}  // namespace knaller::store
