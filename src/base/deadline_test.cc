#include "base/deadline.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <latch>
#include <thread>

#include "base/test_folder.h"

namespace knaller {
namespace {

using namespace std::chrono_literals;

TEST(DeadlineTest, PollTimeoutRoundsUpAndIsNeverNegative) {
  EXPECT_EQ(Deadline::never().poll_timeout(), -1);
  EXPECT_EQ(Deadline::after(-5s).poll_timeout(), 0);
  EXPECT_EQ(Deadline::at(Deadline::Clock::time_point::min()).poll_timeout(), 0);
  EXPECT_GT(Deadline::after(1h).poll_timeout(), 3'590'000);
  EXPECT_LE(Deadline::after(1h).poll_timeout(), 3'600'000);
  EXPECT_EQ(Deadline::after(Deadline::Clock::duration::max()).poll_timeout(), -1);
}

TEST(DeadlineTest, ALimitOfAnyLengthAndUnitIsKept) {
  EXPECT_EQ(Deadline::after(std::chrono::milliseconds::max()).poll_timeout(), -1);
  EXPECT_EQ(Deadline::after(std::chrono::hours::max()).poll_timeout(), -1);
  EXPECT_EQ(Deadline::never().sooner(std::chrono::seconds::max()).poll_timeout(), -1);
  EXPECT_EQ(Deadline::after(std::chrono::milliseconds::min()).poll_timeout(), 0);
  EXPECT_EQ(Deadline::after(Deadline::Clock::duration::min()).poll_timeout(), 0);
  EXPECT_FALSE(Deadline::after(24h * 365 * 200).expired());
}

TEST(DeadlineTest, LaterAddsWithoutEnd) {
  EXPECT_EQ(Deadline::after(std::chrono::milliseconds::max()).later(20s).poll_timeout(), -1);
  EXPECT_EQ(Deadline::after(1h).later(std::chrono::milliseconds::max()).poll_timeout(), -1);
  EXPECT_GT(Deadline::after(1h).later(1h).poll_timeout(), 7'190'000);
  EXPECT_LE(Deadline::after(1h).later(1h).poll_timeout(), 7'200'000);
}

TEST(DeadlineTest, SoonerTakesTheEarlierAndKeepsTheStopToken) {
  std::stop_source source;
  const Deadline far = Deadline::after(1h, source.get_token());
  EXPECT_LT(far.sooner(1s).when(), far.when());
  EXPECT_EQ(far.sooner(2h).when(), far.when());
  source.request_stop();
  EXPECT_TRUE(far.sooner(1s).stopped());
}

TEST(DeadlineTest, CheckTellsExpiredFromStopped) {
  std::stop_source source;
  EXPECT_EQ(code_thrown_by([] { Deadline::after(1h).check("x"); }), std::nullopt);
  EXPECT_EQ(code_thrown_by([] { Deadline::after(0s).check("x"); }), Code::kTimeout);
  source.request_stop();
  EXPECT_EQ(code_thrown_by([&] { Deadline::never(source.get_token()).check("x"); }), Code::kCancelled);
}

TEST(DeadlineTest, WaitsForDataUntilTheDeadline) {
  Pipe pipe = make_pipe();
  const int fd = pipe.read_end.get();
  EXPECT_EQ(poll_until(fd, POLLIN, Deadline::after(1ms)), 0);
  EXPECT_EQ(code_thrown_by([&] { wait_readable(fd, Deadline::after(1ms), "data"); }), Code::kTimeout);
  write_all(pipe.write_end.get(), "x", "a pipe");
  EXPECT_EQ(poll_until(fd, POLLIN, Deadline::after(0s)),
            POLLIN);  // what is there counts even when it is late
  EXPECT_EQ(code_thrown_by([&] { wait_readable(fd, Deadline::never(), "data"); }), std::nullopt);
  EXPECT_EQ(code_thrown_by([&] { wait_writable(pipe.write_end.get(), Deadline::never(), "room"); }),
            std::nullopt);
}

TEST(DeadlineTest, AStopRequestEndsAWaitThatHasBegun) {
  Pipe pipe = make_pipe();
  std::stop_source source;
  std::latch begun(1);
  std::jthread stopper([&] {
    begun.wait();
    source.request_stop();
  });
  begun.count_down();
  EXPECT_EQ(
      code_thrown_by([&] { poll_until(pipe.read_end.get(), POLLIN, Deadline::never(source.get_token())); }),
      Code::kCancelled);
  EXPECT_EQ(code_thrown_by([&] { pause_for(1h, Deadline::never(source.get_token())); }), Code::kCancelled);
}

TEST(DeadlineTest, APauseIsCutShortByTheDeadline) {
  const auto begin = Deadline::Clock::now();
  pause_for(1h, Deadline::after(1ms));
  pause_for(2ms, Deadline::never());
  const auto taken = Deadline::Clock::now() - begin;
  EXPECT_GE(taken, 2ms);
  EXPECT_LT(taken, 30min);
}

}  // namespace
}  // namespace knaller
