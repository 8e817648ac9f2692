#include "vm/life/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/file.h"
#include "base/test_folder.h"
#include "monitor/capped_log.h"

namespace knaller::vm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class EventLogTest : public testing::Test {
 protected:
  std::vector<std::string> read(EventLog& log) {
    std::vector<std::string> lines;
    log.read([&](std::string_view line) { lines.emplace_back(line); });
    return lines;
  }
  EventLog open() const { return EventLog(open_directory(folder_.path())); }
  void append(const std::string& text, const std::string& file = "events.jsonl") {
    write_all(open_at(folder_.fd(), file, O_WRONLY | O_CREAT | O_APPEND).get(), text, file);
  }
  void rotate() { ASSERT_EQ(::renameat(folder_.fd(), "events.jsonl", folder_.fd(), "events.jsonl.1"), 0); }

  TestFolder folder_;
};

TEST_F(EventLogTest, ReadsTheOlderFileFirstAndThenWhatIsAdded) {
  append("a\n", "events.jsonl.1");
  append("b\n");
  EventLog log = open();
  EXPECT_THAT(read(log), ElementsAre("a", "b"));
  EXPECT_THAT(read(log), IsEmpty());
  append("c\nd\n");
  EXPECT_THAT(read(log), ElementsAre("c", "d"));
}

TEST_F(EventLogTest, TakesWhatWasWrittenBeforeARotationOnceAndWhatCameAfterIt) {
  append("a\n");
  EventLog log = open();
  read(log);
  append("b\n");
  rotate();
  EXPECT_THAT(read(log), ElementsAre("b"));  // in the middle of a rotation
  append("c\n");
  EXPECT_THAT(read(log), ElementsAre("c"));
}

TEST_F(EventLogTest, TakesAFileThatCameAndWentBetweenTwoLooks) {
  append("a\n");
  EventLog log = open();
  read(log);
  append("b\n");
  rotate();
  append("c\n");
  rotate();
  append("d\n");
  EXPECT_THAT(read(log), ElementsAre("b", "c", "d"));
}

TEST_F(EventLogTest, WaitsForTheEndOfALineAlsoInTheNextFile) {
  append("{\"at\":");
  EventLog log = open();
  EXPECT_THAT(read(log), IsEmpty());
  rotate();
  append("1}\nb\n");
  EXPECT_THAT(read(log), ElementsAre("{\"at\":1}", "b"));
}

TEST_F(EventLogTest, BeginsWhenThereIsSomething) {
  EventLog log = open();
  EXPECT_THAT(read(log), IsEmpty());
  EXPECT_EQ(log.file(), -1);
  append("a\n");
  EXPECT_THAT(read(log), ElementsAre("a"));
  EXPECT_GE(log.file(), 0);
}

TEST_F(EventLogTest, FollowsNoLink) {
  append("secret\n", "elsewhere");
  ASSERT_EQ(::symlinkat("elsewhere", folder_.fd(), "events.jsonl"), 0);
  EventLog log = open();
  EXPECT_THROW(read(log), Error);
}

TEST_F(EventLogTest, KeepsNoMoreOfALineThanItsLimit) {
  append(std::string(1 << 20, 'x') + "\nb\n");
  EventLog log = open();
  const auto lines = read(log);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_LE(lines[0].size(), 128u << 10);
  EXPECT_EQ(lines[1], "b");
}

// The writer rotates every few lines while the reader looks; each line has its number.
TEST_F(EventLogTest, LosesAndRepeatsNothingBesideAWriterThatRotates) {
  constexpr int kLines = 20'000;
  std::atomic<int> seen{0};
  std::jthread writer([&] {
    monitor::CappedLog log(folder_.fd(), "events.jsonl",
                           {.begin = monitor::CappedLog::Begin::kAppend, .limit = 20'000, .whole = true});
    for (int i = 0; i < kLines; ++i) {
      // Never more than one rotation ahead of the reader.
      while (i - seen > 500) std::this_thread::yield();
      log.append(std::to_string(i) + "\n");
    }
  });
  EventLog log = open();
  int next = 0;
  bool in_order = true;
  while (next < kLines && in_order) {
    log.read([&](std::string_view line) { in_order = in_order && line == std::to_string(next++); });
    seen = next;
  }
  EXPECT_TRUE(in_order) << "at " << next;
  seen = kLines;
}

}  // namespace
}  // namespace knaller::vm
