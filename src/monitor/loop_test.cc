#include "monitor/loop.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <stdexcept>

#include "base/test_folder.h"

namespace knaller::monitor {
namespace {

using namespace std::chrono_literals;

class LoopTest : public testing::Test {
 protected:
  LoopTest() { write_all(pipe_.write_end.get(), "x", "a pipe"); }
  // All that is due by now.
  void run() {
    const Loop::Timer end = loop_.after(1ms, [this] { loop_.stop(); });
    loop_.run();
  }

  Loop loop_;
  Pipe pipe_ = make_pipe();
  int called_ = 0;
};

TEST_F(LoopTest, CallsWhatIsReadableAndWhatIsDue) {
  const Loop::Watch watch = loop_.watch(pipe_.read_end.get(), POLLIN, [this](short) { ++called_; });
  const Loop::Timer timer = loop_.after(0ms, [this] { called_ += 1000; });
  EXPECT_TRUE(timer);
  run();
  EXPECT_FALSE(timer);
  EXPECT_GT(called_, 1000);
}

// As an engine that can't be made again does, of which the loop must know nothing then.
TEST_F(LoopTest, WhatIsWatchedEndsWithItsOwnerAlsoWhenThatIsNeverWhole) {
  struct Owner {
    [[noreturn]] Owner(Loop& loop, int fd, int& called)
        : watch(loop.watch(fd, POLLIN, [&called](short) { ++called; })),
          timer(loop.after(0ms, [&called] { ++called; })) {
      throw std::runtime_error("no more threads");
    }
    Loop::Watch watch;
    Loop::Timer timer;
  };
  EXPECT_THROW(Owner(loop_, pipe_.read_end.get(), called_), std::runtime_error);
  run();
  EXPECT_EQ(called_, 0);
}

TEST_F(LoopTest, AWatchMayEndItselfAndOthersOfItsRound) {
  Loop::Watch second;
  Loop::Watch first = loop_.watch(pipe_.read_end.get(), POLLIN, [&](short) {
    ++called_;
    first.reset();
    second.reset();
  });
  second = loop_.watch(pipe_.read_end.get(), POLLIN, [&](short) { called_ += 1000; });
  run();
  EXPECT_EQ(called_, 1);
}

TEST_F(LoopTest, ATimerThatIsSetAnewForgetsTheOldOne) {
  Loop::Timer timer = loop_.after(0ms, [this] { called_ += 1000; });
  timer = loop_.after(0ms, [this] { ++called_; });
  const Loop::Timer never = loop_.after(std::chrono::milliseconds::max(), [this] { called_ += 1000; });
  run();
  EXPECT_EQ(called_, 1);
  EXPECT_TRUE(never);
}

}  // namespace
}  // namespace knaller::monitor
