// Also run with a library that takes renameat2(2)'s flags away (tests/crash/no_rename_flags.c); what follows
// does so itself, too. The system calls that change names are defined here, in front of the C library's, so
// that a test may end the process at any of them, have it fail, or come between a look and the rename that
// follows.
#include "store/transaction.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "base/test_folder.h"
#include "store/sweep.h"

namespace {

struct Faults {
  int die_at = 0;         // the process ends before the call of that number; 0: never
  int fail_fsync_at = 0;  // EIO
  bool no_flags = false;
  std::function<void()> before_rename = {};
  int calls = 0;
  int fsyncs = 0;
};
thread_local Faults faults;

void count_call() {
  if (++faults.calls == faults.die_at) ::_exit(1);
}

void come_between() {
  if (const auto act = std::exchange(faults.before_rename, nullptr)) act();
}

}  // namespace

extern "C" {
int mkdirat(int dir, const char* path, mode_t mode) {
  count_call();
  return static_cast<int>(::syscall(SYS_mkdirat, dir, path, mode));
}
int unlinkat(int dir, const char* path, int flags) noexcept {
  count_call();
  return static_cast<int>(::syscall(SYS_unlinkat, dir, path, flags));
}
int renameat(int from_dir, const char* from, int to_dir, const char* to) noexcept {
  count_call();
  come_between();
  return static_cast<int>(::syscall(SYS_renameat, from_dir, from, to_dir, to));
}
int renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) noexcept {
  if (flags != 0 && (faults.no_flags || std::getenv("KNALLER_NO_RENAME_FLAGS") != nullptr)) {
    errno = EINVAL;
    return -1;
  }
  count_call();
  come_between();
  return static_cast<int>(::syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}
int fsync(int fd) {
  count_call();
  if (++faults.fsyncs == faults.fail_fsync_at) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
}

namespace knaller::store {
namespace {

using How = Transaction::How;
using Names = std::vector<std::string>;

class TransactionTest : public testing::Test {
 protected:
  ~TransactionTest() override { faults = {}; }

  EntryLock lock() const { return home_.lock(Kind::kVm, "web", "start", Deadline::never()); }
  int vms() const { return home_.folder(Kind::kVm); }
  Names names() const { return list_directory(vms()); }
  bool is_there(const std::string& name) const { return stat_if_exists(vms(), name).has_value(); }

  static void fill(int directory, const std::string& content) {
    for (const char* name : {"one", "two"})
      write_file_atomically(directory, name, content, Durability::kNoSync);
  }
  // Of an entry; "half" when it is not whole.
  std::string content(const std::string& name = "web") const {
    const auto one = read_file_if_exists(vms(), name + "/one");
    const auto two = read_file_if_exists(vms(), name + "/two");
    return one && one == two ? *one : "half";
  }
  void make_entry(const std::string& content) const {
    const EntryLock held = lock();
    Transaction made(held);
    fill(made.directory(), content);
    made.publish(Durability::kNoSync);
  }
  // What a monitor has of it.
  EntryDirectory other_side(How how) const {
    return {open_at(vms(), ".", O_RDONLY | O_DIRECTORY), {.kind = Kind::kVm, .name = "web", .how = how}};
  }

  // Runs `act` in processes of which the first ends before its first call, the second before its second, and
  // so on, until one comes to its end; `look` is called after each. Returns the number of calls.
  static int die_everywhere(const std::function<void()>& act, const std::function<void(int call)>& look) {
    for (int call = 1;; ++call) {
      const pid_t child = ::fork();
      if (child == 0) {
        faults.calls = 0;
        faults.die_at = call;
        act();
        ::_exit(0);
      }
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status));
      look(call);
      if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || testing::Test::HasFailure()) return call - 1;
    }
  }

  TestFolder folder_;
  Home home_ = Home::open(folder_.path("home"));
};

TEST_F(TransactionTest, AnEntryIsThereOnlyOncePublished) {
  const EntryLock held = lock();
  {
    Transaction made(held);
    fill(made.directory(), "new");
    EXPECT_TRUE(home_.entries(Kind::kVm).empty());
    EXPECT_EQ(home_.entries_in_making(Kind::kVm), Names{"web"});
    EXPECT_EQ(made.path(), home_.path() + "/vms/.new-web");
    EXPECT_FALSE(made.is_published());
    made.publish();
    EXPECT_TRUE(made.is_published());
  }
  EXPECT_EQ(names(), Names{"web"});
  EXPECT_EQ(content(), "new");
}

TEST_F(TransactionTest, OneThatIsGivenUpIsRemoved) {
  const EntryLock held = lock();
  { Transaction(held).directory(); }
  EXPECT_TRUE(names().empty());
}

TEST_F(TransactionTest, ANameThatIsTakenIsNeverTakenAgain) {
  make_entry("old");
  const EntryLock held = lock();
  EXPECT_EQ(code_thrown_by([&] { Transaction made(held); }), Code::kAlreadyExists);
  EXPECT_EQ(names(), Names{"web"});
}

TEST_F(TransactionTest, OneReplacesAnotherInOneStep) {
  make_entry("old");
  const EntryLock held = lock();
  {
    Transaction made(held, How::kReplace);
    fill(made.directory(), "new");
    EXPECT_EQ(content(), "old");
    made.publish();
    EXPECT_EQ(content(), "new");
    EXPECT_EQ(content(".new-web"), "old");
  }
  EXPECT_EQ(names(), Names{"web"});
  EXPECT_EQ(content(), "new");
}

TEST_F(TransactionTest, AReplacementThatIsGivenUpLeavesTheOldOne) {
  make_entry("old");
  const EntryLock held = lock();
  { fill(Transaction(held, How::kReplace).directory(), "new"); }
  EXPECT_EQ(names(), Names{"web"});
  EXPECT_EQ(content(), "old");
}

TEST_F(TransactionTest, AReplacementOfNothingIsMade) {
  const EntryLock held = lock();
  {
    Transaction made(held, How::kReplace);
    fill(made.directory(), "new");
    made.publish();
  }
  EXPECT_EQ(names(), Names{"web"});
}

TEST_F(TransactionTest, OneThatIsKeptStaysWhateverComes) {
  make_entry("old");
  const EntryLock held = lock();
  { const Transaction given_up(held, How::kKeep); }
  {
    Transaction kept(held, How::kKeep);
    EXPECT_EQ(kept.path(), home_.path() + "/vms/web");
    kept.publish();
  }
  EXPECT_EQ(names(), Names{"web"});
  EXPECT_EQ(content(), "old");
  Transaction::remove(held);
  EXPECT_EQ(code_thrown_by([&] { Transaction none(held, How::kKeep); }), Code::kNotFound);
}

TEST_F(TransactionTest, ARemovalTakesAll) {
  make_entry("old");
  {
    const EntryLock held = lock();
    Transaction::remove(held);
    Transaction::remove(held);
  }
  EXPECT_TRUE(names().empty());
  EXPECT_TRUE(list_directory(home_.locks()).empty());
}

// What a command that failed has done must not be there: the name is taken back.
TEST_F(TransactionTest, ANameThatCantBeMadeDurableIsTakenBack) {
  for (const bool no_flags : {false, true})
    for (const How how : {How::kMake, How::kReplace}) {
      if (how == How::kReplace) make_entry("old");
      const EntryLock held = lock();
      {
        Transaction made(held, how);
        fill(made.directory(), "new");
        faults = {.fail_fsync_at = 2, .no_flags = no_flags};
        EXPECT_EQ(code_thrown_by([&] { made.publish(); }), Code::kIo);
        EXPECT_FALSE(made.is_published());
      }
      EXPECT_EQ(names(), how == How::kReplace ? Names{"web"} : Names{});
      if (how == How::kReplace) {
        EXPECT_EQ(content(), "old");
      }
      faults = {};
      Transaction::remove(held);
    }
}

// --- Killed, at each call that changes a name

TEST_F(TransactionTest, KilledWhileItIsMadeItIsAbsentOrWhole) {
  for (const bool no_flags : {false, true}) {
    int absent = 0;
    int there = 0;
    const int calls = die_everywhere(
        [&] {
          faults.no_flags = no_flags;
          const EntryLock held = lock();
          Transaction made(held);
          fill(made.directory(), "new");
          made.publish();
        },
        [&](int call) {
          EXPECT_FALSE(is_there("web") && content() != "new") << call;
          sweep(home_);
          EXPECT_TRUE(names().empty() || names() == Names{"web"}) << call;
          ++(names().empty() ? absent : there);
          EXPECT_EQ(list_directory(home_.locks()).size(), names().size()) << call;
          Transaction::remove(lock());
        });
    EXPECT_GE(calls, 5);
    EXPECT_GE(absent, 4);
    EXPECT_GE(there, 2);
  }
}

TEST_F(TransactionTest, KilledWhileItReplacesThereIsTheOldOneOrTheNewOne) {
  for (const bool no_flags : {false, true}) {
    int old = 0;
    int replaced = 0;
    die_everywhere(
        [&] {
          faults.no_flags = no_flags;
          const EntryLock held = lock();
          Transaction made(held, How::kReplace);
          fill(made.directory(), "new");
          made.publish();
        },
        [&](int call) {
          if (call == 1 && !is_there("web")) return make_entry("old");
          // At no time is there none.
          EXPECT_TRUE(is_there("web") || no_flags || std::getenv("KNALLER_NO_RENAME_FLAGS") != nullptr)
              << call;
          sweep(home_);
          EXPECT_EQ(names(), Names{"web"}) << call;
          EXPECT_TRUE(content() == "old" || content() == "new") << call << content();
          ++(content() == "old" ? old : replaced);
          Transaction::remove(lock());
          make_entry("old");
        });
    EXPECT_GE(old, 3);
    EXPECT_GE(replaced, 3);
    Transaction::remove(lock());
  }
}

TEST_F(TransactionTest, KilledWhileItIsUndoneNothingIsLeftButTheOldOne) {
  make_entry("old");
  die_everywhere(
      [&] {
        const EntryLock held = lock();
        const Transaction made(held, How::kReplace);
        fill(made.directory(), "new");
      },
      [&](int call) {
        sweep(home_);
        EXPECT_EQ(names(), Names{"web"}) << call;
        EXPECT_EQ(content(), "old") << call;
      });
}

TEST_F(TransactionTest, KilledWhileItIsRemovedItIsWholeOrGone) {
  make_entry("old");
  int whole = 0;
  const int calls = die_everywhere([&] { Transaction::remove(lock()); },
                                   [&](int call) {
                                     EXPECT_TRUE(!is_there("web") || content() == "old") << call;
                                     sweep(home_);
                                     if (names() == Names{"web"}) return static_cast<void>(++whole);
                                     EXPECT_TRUE(names().empty()) << call;
                                     make_entry("old");
                                   });
  EXPECT_GE(calls, 5);
  EXPECT_GE(whole, 1);
}

// --- Two sides of one change, and somebody else's directory

TEST_F(TransactionTest, WhatTheOtherSidePublishesStays) {
  for (const How how : {How::kMake, How::kReplace}) {
    if (how == How::kReplace) make_entry("old");
    const EntryLock held = lock();
    {
      const Transaction made(held, how);
      fill(made.directory(), "new");
      other_side(how).publish(Durability::kFsync);
      EXPECT_TRUE(made.is_published());
    }
    EXPECT_EQ(names(), Names{"web"});
    EXPECT_EQ(content(), "new");
    Transaction::remove(held);
  }
}

TEST_F(TransactionTest, WhatTheOtherSideUndoesIsGone) {
  const EntryLock held = lock();
  {
    const Transaction made(held);
    EXPECT_TRUE(other_side(How::kMake).undo(".gone-web.1", Deadline::never()));
    EXPECT_TRUE(names().empty());
  }
  EXPECT_TRUE(names().empty());
}

// A monitor whose launcher has lost it publishes while that gives up: both look first.
TEST_F(TransactionTest, OneThatIsPublishedBetweenTheLookAndTheUndoStays) {
  for (const How how : {How::kMake, How::kReplace}) {
    if (how == How::kReplace) make_entry("old");
    const EntryLock held = lock();
    {
      const Transaction made(held, how);
      fill(made.directory(), "new");
      faults.before_rename = [&] { other_side(how).publish(Durability::kNoSync); };
    }
    EXPECT_EQ(names(), Names{"web"});
    EXPECT_EQ(content(), "new");
    Transaction::remove(held);
  }
}

TEST_F(TransactionTest, BothSidesAtOnceLeaveItWholeOrNot) {
  constexpr int kRounds = 100;
  int published = 0;
  for (int round = 0; round < kRounds; ++round) {
    const EntryLock held = lock();
    std::thread monitor;
    {
      const Transaction made(held);
      fill(made.directory(), "new");
      monitor = std::thread([side = std::make_shared<EntryDirectory>(other_side(How::kMake))] {
        try {
          side->publish(Durability::kNoSync);
        } catch (const Error&) {
          // It came too late.
        }
      });
    }
    monitor.join();
    ASSERT_TRUE(names().empty() || names() == Names{"web"}) << round;
    if (names().empty()) continue;
    ++published;
    ASSERT_EQ(content(), "new") << round;
    Transaction::remove(held);
  }
  RecordProperty("published", published);
}

class ElsewhereTest : public TransactionTest {
 protected:
  // Somebody has taken ours away and put another in its place.
  void put_other(const std::string& name) const {
    ASSERT_EQ(::syscall(SYS_renameat2, vms(), name.c_str(), vms(), "elsewhere", 0), 0);
    make_directories(home_.path() + "/vms/" + name);
    fill(open_at(vms(), name, O_RDONLY | O_DIRECTORY).get(), "other");
  }
};

TEST_F(ElsewhereTest, OnlyItsOwnDirectoryGetsTheNameOrIsUndone) {
  for (const How how : {How::kMake, How::kReplace}) {
    if (how == How::kReplace) make_entry("old");
    const EntryLock held = lock();
    {
      Transaction made(held, how);
      fill(made.directory(), "new");
      put_other(".new-web");
      EXPECT_EQ(code_thrown_by([&] { made.publish(); }), Code::kWrongState);
    }
    EXPECT_EQ(content(".new-web"), "other");
    EXPECT_EQ(content("elsewhere"), "new");
    if (how == How::kReplace) {
      EXPECT_EQ(content(), "old");
    }
    for (const char* name : {".new-web", "elsewhere"}) remove_tree(vms(), name);
    Transaction::remove(held);
  }
}

TEST_F(ElsewhereTest, AlsoBetweenTheLookAndTheRename) {
  for (const How how : {How::kMake, How::kReplace}) {
    if (how == How::kReplace) make_entry("old");
    const EntryLock held = lock();
    {
      Transaction made(held, how);
      fill(made.directory(), "new");
      faults.before_rename = [&] { put_other(".new-web"); };
      EXPECT_EQ(code_thrown_by([&] { made.publish(); }), Code::kWrongState);
      EXPECT_EQ(content(".new-web"), "other");
    }
    EXPECT_EQ(content("elsewhere"), "new");
    EXPECT_EQ(is_there("web"), how == How::kReplace);
    if (how == How::kReplace) {
      EXPECT_EQ(content(), "old");
    }
    for (const char* name : {".new-web", "elsewhere"}) remove_tree(vms(), name);
    Transaction::remove(held);
  }
}

TEST_F(ElsewhereTest, AnotherThatCameBetweenTheLookAndTheUndoStays) {
  const EntryLock held = lock();
  {
    const Transaction made(held);
    fill(made.directory(), "new");
    faults.before_rename = [&] { put_other(".new-web"); };
  }
  EXPECT_EQ(content(".new-web"), "other");
}

TEST_F(ElsewhereTest, ARunningVmsMonitorRemovesOnlyItsOwn) {
  make_entry("old");
  EntryDirectory running = other_side(How::kKeep);
  put_other("web");
  EXPECT_FALSE(running.remove(".gone-web.1", Deadline::never()));
  EXPECT_EQ(content(), "other");
  EntryDirectory other = other_side(How::kKeep);
  EXPECT_TRUE(other.remove(".gone-web.1", Deadline::never()));
  EXPECT_EQ(names(), Names{"elsewhere"});
}

}  // namespace
}  // namespace knaller::store
