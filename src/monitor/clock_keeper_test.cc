#include "monitor/clock_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace knaller::monitor {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(HostSleep, IsWhatOneClockCountsAndTheOtherDoesNot) {
  HostSleep sleep(100s, 90s);  // it has slept before
  EXPECT_EQ(sleep.look(200s, 190s), 0s);
  EXPECT_EQ(sleep.look(7400s, 200s), 7190s);
  EXPECT_EQ(sleep.look(7500s, 300s), 0s);
}

// Its memory holds the VM's key: no core of it, and no look at it.
TEST(SetClockMain, IsHiddenBeforeItLooksAtTheVm) {
  const TestFolder folder;
  const auto set_clock_without_a_vm = [&] {
    if (::chdir(folder.path("").c_str()) != 0) ::_exit(2);
    try {
      set_clock_main("web");
    } catch (const Error&) {
      ::_exit(::prctl(PR_GET_DUMPABLE));
    }
    ::_exit(3);
  };
  EXPECT_EXIT(set_clock_without_a_vm(), testing::ExitedWithCode(0), "");
}

// With a process that sets no clock, but ends as the test says.
class ClockKeeperTest : public testing::Test {
 protected:
  Child begin(int output) {
    ++begun_;
    return spawn({.argv = {"/bin/sh", "-c", script_}, .stdout_fd = output});
  }
  void run_for(std::chrono::milliseconds time) {
    const Loop::Timer end = loop_.after(time, [this] { loop_.stop(); });
    loop_.run();
  }
  // Until so much was told, or for long.
  void run_until_told(size_t times = 1) {
    awaited_ = times;
    run_for(20s);
  }

  Loop loop_;
  std::string script_ = "exit 0";
  bool runs_ = true;
  int begun_ = 0;
  size_t awaited_ = 0;
  std::vector<std::string> warnings_;
  ClockKeeper keeper_{loop_,
                      {.guest_runs = [this] { return runs_; },
                       .set = [this](int output) { return begin(output); },
                       .warn =
                           [this](const std::string& what) {
                             warnings_.push_back(what);
                             if (warnings_.size() == awaited_) loop_.stop();
                           }}};
};

TEST_F(ClockKeeperTest, SetsTheClockAfterASecondOrMore) {
  keeper_.stood_still(900ms, "a pause");
  EXPECT_EQ(begun_, 0);
  keeper_.stood_still(1s, "a pause");
  EXPECT_EQ(begun_, 1);
  run_for(100ms);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ClockKeeperTest, LeavesAPausedGuestToWhoeverResumesIt) {
  runs_ = false;
  keeper_.stood_still(1h, "the host's sleep");
  EXPECT_EQ(begun_, 0);
}

TEST_F(ClockKeeperTest, TellsWhyItCouldNot) {
  script_ = "echo 'no answer'; exit 1";
  keeper_.stood_still(2min, "the host's sleep");
  run_until_told();
  EXPECT_THAT(warnings_, ElementsAre("the guest's clock is behind by the host's sleep (2 min): no answer"));
}

TEST_F(ClockKeeperTest, TellsOfAProcessThatSaysNothing) {
  script_ = "kill -9 $$";
  keeper_.stood_still(2s, "a pause");
  run_until_told();
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_.front().find("killed by signal 9"), std::string::npos) << warnings_.front();
}

// What was set before the second stop is slow by that; but two at once are one too many.
TEST_F(ClockKeeperTest, SetsItOnceMoreWhenItStoodStillAgainMeanwhile) {
  script_ = "read -r x < /dev/null; exit 1";
  keeper_.stood_still(2s, "a pause");
  keeper_.stood_still(3s, "the host's sleep");
  keeper_.stood_still(4s, "the host's sleep");
  EXPECT_EQ(begun_, 1);
  run_until_told(2);
  EXPECT_EQ(begun_, 2);
  ASSERT_EQ(warnings_.size(), 2U);
  EXPECT_NE(warnings_.back().find("(4"), std::string::npos) << warnings_.back();
}

}  // namespace
}  // namespace knaller::monitor
