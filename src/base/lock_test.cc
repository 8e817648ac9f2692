#include "base/lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/test_folder.h"

namespace knaller {
namespace {

using namespace std::chrono_literals;

TEST(LockByteTest, BelongsToTheDescriptionAndCanBeSeen) {
  TestFolder folder;
  UniqueFd first = open_at(folder.fd(), "alive", O_RDWR | O_CREAT);
  const UniqueFd second = open_at(folder.fd(), "alive", O_RDWR);
  const UniqueFd reader = open_at(folder.fd(), "alive", O_RDONLY);
  EXPECT_FALSE(is_byte_locked(reader.get(), 0));
  EXPECT_TRUE(try_lock_byte(first.get(), 0));
  EXPECT_TRUE(is_byte_locked(reader.get(), 0));
  EXPECT_FALSE(is_byte_locked(reader.get(), 1));
  EXPECT_FALSE(is_byte_locked(first.get(), 0)) << "one's own is not another's";
  EXPECT_FALSE(try_lock_byte(second.get(), 0));
  EXPECT_TRUE(try_lock_byte(second.get(), 1));
  UniqueFd copy = first.duplicate();
  first.reset();
  EXPECT_TRUE(is_byte_locked(reader.get(), 0)) << "a duplicate keeps it";
  copy.reset();
  EXPECT_FALSE(is_byte_locked(reader.get(), 0));
}

TEST(LockFileTest, IsHeldByOneAndNamesItsHolder) {
  TestFolder folder;
  EXPECT_EQ(lock_holder(folder.fd(), "vm-web"), "");
  {
    const LockFile lock = LockFile::acquire(folder.fd(), "vm-web", "stop", kSoon);
    EXPECT_FALSE(LockFile::try_acquire(folder.fd(), "vm-web", "start"));
    const std::string holder = lock_holder(folder.fd(), "vm-web");
    EXPECT_EQ(holder.find(fmt::format("stop (pid {}, for ", ::getpid())), 0u) << holder;
  }
  EXPECT_EQ(lock_holder(folder.fd(), "vm-web"), "");
  EXPECT_TRUE(LockFile::try_acquire(folder.fd(), "vm-web", "start"));
}

TEST(LockFileTest, WaitsTellsOnceAndGivesUpAtTheDeadline) {
  TestFolder folder;
  const LockFile lock = LockFile::acquire(folder.fd(), "vm-web", "take a snapshot", kSoon);
  int told = 0;
  try {
    LockFile::acquire(folder.fd(), "vm-web", "rm", Deadline::after(20ms), [&](const std::string& holder) {
      EXPECT_EQ(holder.find("take a snapshot (pid "), 0u) << holder;
      ++told;
    });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBusy);
    EXPECT_NE(std::string(error.what()).find("take a snapshot (pid "), std::string::npos) << error.what();
  }
  EXPECT_EQ(told, 1);
  std::stop_source source;
  source.request_stop();
  const auto cancelled = [&] {
    LockFile::acquire(folder.fd(), "vm-web", "rm", Deadline::never(source.get_token()));
  };
  EXPECT_EQ(code_thrown_by(cancelled), Code::kCancelled);
}

TEST(LockFileTest, AGarbledHolderIsStillAHolder) {
  TestFolder folder;
  const LockFile lock = LockFile::acquire(folder.fd(), "l", "stop", kSoon);
  ASSERT_EQ(::ftruncate(lock.fd(), 0), 0);
  EXPECT_EQ(lock_holder(folder.fd(), "l"), "another command");
  write_all(lock.fd(), "2026-11-23T09:26:15Z \x1b[2J", "the lock");
  EXPECT_EQ(lock_holder(folder.fd(), "l"), "another command");
}

TEST(LockFileTest, IsNotTakenThroughALink) {
  TestFolder folder;
  ASSERT_EQ(::symlink("elsewhere", folder.path("l").c_str()), 0);
  EXPECT_NE(code_thrown_by([&] { LockFile::try_acquire(folder.fd(), "l", "stop"); }), std::nullopt);
  EXPECT_FALSE(exists(folder.path("elsewhere")));
}

TEST(LockFileTest, AnUnlinkedLockIsNoLockAnyMore) {
  TestFolder folder;
  LockFile old = LockFile::acquire(folder.fd(), "l", "rm", kSoon);
  old.unlink_while_held();
  EXPECT_FALSE(exists(folder.path("l")));
  EXPECT_TRUE(LockFile::try_acquire(folder.fd(), "l", "start")) << "the name is free again";
}

// Every holder unlinks the file that it holds, so an attempt that opened it before ends with a lock on a file
// without a name. Without the check for that, many of the thousands of attempts are let in beside the holder.
TEST(LockFileTest, ExcludesEvenWhenEveryHolderUnlinks) {
  TestFolder folder;
  std::atomic<int> inside = 0;
  std::atomic<int> clashes = 0;
  const auto take_turns = [&] {
    for (int turns = 0; turns < 100;) {
      auto lock = LockFile::try_acquire(folder.fd(), "l", "rm");
      if (!lock) continue;
      ++turns;
      if (++inside != 1) ++clashes;
      std::this_thread::yield();
      --inside;
      lock->unlink_while_held();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(take_turns);
  }
  EXPECT_EQ(clashes, 0);
}

}  // namespace
}  // namespace knaller
