#include "store/sweep.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/lock.h"
#include "base/test_folder.h"
#include "store/transaction.h"

namespace knaller::store {
namespace {

class SweepTest : public testing::Test {
 protected:
  TestFolder folder_;
};

TEST_F(SweepTest, RemovesWhatNobodyHolds) {
  const Home home = Home::open(folder_.path("home"));
  make_directories(home.path() + "/vms/.new-dead/jail");
  make_directories(home.path() + "/snapshots/.gone-snap_00000000");
  make_directories(home.path() + "/vms/kept");
  sweep(home);
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), std::vector<std::string>{"kept"});
  EXPECT_TRUE(list_directory(home.folder(Kind::kSnapshot)).empty());
}

// As exchange_names() leaves it on a file system that can't do it in one step.
TEST_F(SweepTest, FinishesAnExchangeOfNames) {
  const Home home = Home::open(folder_.path("home"));
  make_directories(home.path() + "/vms/.old-web/it");
  make_directories(home.path() + "/vms/.new-web");
  make_directories(home.path() + "/vms/db");
  make_directories(home.path() + "/vms/.old-db/it");
  sweep(home);
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), (std::vector<std::string>{"db", "web"}));
  EXPECT_TRUE(stat_if_exists(home.folder(Kind::kVm), "web/it"));
  EXPECT_FALSE(stat_if_exists(home.folder(Kind::kVm), "db/it"));
}

TEST_F(SweepTest, LeavesWhatSomebodyWorksOn) {
  const Home home = Home::open(folder_.path("home"));
  const EntryLock lock = home.lock(Kind::kVm, "web", "start", Deadline::never());
  const Transaction staged(lock);
  sweep(home);
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), std::vector<std::string>{".new-web"});
}

TEST_F(SweepTest, LeavesAVmWhoseMonitorLives) {
  const Home home = Home::open(folder_.path("home"));
  make_directories(home.path() + "/vms/.new-web");
  const UniqueFd alive = open_at(home.folder(Kind::kVm), ".new-web/alive", O_RDWR | O_CREAT);
  ASSERT_TRUE(try_lock_byte(alive.get(), 0));
  sweep(home);
  EXPECT_EQ(list_directory(home.folder(Kind::kVm)), std::vector<std::string>{".new-web"});
}

TEST_F(SweepTest, RemovesTheLocksOfWhatIsNotThere) {
  const Home home = Home::open(folder_.path("home"));
  for (const char* file : {"vm-web", "snap-snap_00000000", "image-tiny", "image-kept", "somebodys"})
    open_at(home.locks(), file, O_WRONLY | O_CREAT);
  make_directories(home.path() + "/images/kept");
  const EntryLock lock = home.lock(Kind::kVm, "held", "start", Deadline::never());
  sweep(home);
  EXPECT_EQ(list_directory(home.locks()), (std::vector<std::string>{"image-kept", "somebodys", "vm-held"}));
}

}  // namespace
}  // namespace knaller::store
