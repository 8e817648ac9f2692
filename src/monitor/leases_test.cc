#include "monitor/leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/json.h"
#include "monitor/client.h"

namespace knaller::monitor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// An engine that answers when the test says so, and connections whose answers are kept.
class LeasesTest : public testing::Test {
 protected:
  struct Call {
    bool pause;
    std::function<void(const std::optional<Error>&)> done;
  };

  std::vector<std::string> said_to(ConnectionId connection) { return said_[connection]; }
  void answer(const std::optional<Error>& error = std::nullopt) {
    ASSERT_FALSE(calls_.empty());
    const Call call = calls_.front();
    calls_.pop_front();
    call.done(error);
  }

  Loop loop_;
  std::deque<Call> calls_;
  std::map<ConnectionId, std::vector<std::string>> said_;
  int freed_ = 0;
  int undone_ = 0;
  std::vector<std::string> recorded_;
  Leases leases_{
      loop_,
      {.set_paused =
           [this](bool pause, auto done) {
             calls_.push_back({pause, std::move(done)});
           },
       .reply =
           [this](ConnectionId connection, const Json& json) {
             said_[connection].push_back(json.contains("waiting") ? "wait" : "ok");
           },
       .refuse = [this](ConnectionId connection,
                        const Error& error) { said_[connection].push_back(error.what()); },
       .record = [this](VmEventKind kind, const std::string&) { recorded_.push_back(to_string(kind)); },
       .on_free = [this] { ++freed_; },
       .on_undone = [this](std::chrono::microseconds) { ++undone_; }}};
};

TEST_F(LeasesTest, ReleasingResumesBeforeItIsAnswered) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  answer();
  EXPECT_TRUE(leases_.paused());
  leases_.release(1, false);
  EXPECT_THAT(said_to(1), ElementsAre("ok", "ok"));
  answer();
  EXPECT_THAT(said_to(1), ElementsAre("ok", "ok", "ok"));
  EXPECT_FALSE(leases_.paused());
  EXPECT_TRUE(leases_.free());
}

TEST_F(LeasesTest, AResumeTellsHowLongASnapshotHeldTheVm) {
  leases_.request(1, "pause", 10);
  leases_.pause(1);
  answer();
  leases_.release(1, false);
  answer();
  EXPECT_FALSE(leases_.last_snapshot());
  leases_.request(2, kSnapshotVerb, 10);
  leases_.pause(2);
  answer();
  EXPECT_FALSE(leases_.last_snapshot());
  leases_.resume(2);
  answer();
  ASSERT_TRUE(leases_.last_snapshot());
  EXPECT_GE(leases_.last_snapshot()->duration, leases_.last_snapshot()->paused);
  leases_.release(2, false);
  EXPECT_THAT(recorded_, ElementsAre("paused", "resumed", "paused", "resumed"));
}

TEST_F(LeasesTest, WhatASnapshotFoundPausedIsNoPauseOfIts) {
  leases_.request(1, "pause", 10);
  leases_.pause(1);
  answer();
  leases_.release(1, true);
  leases_.request(2, kSnapshotVerb, 10);
  leases_.pause(2);
  answer();
  leases_.release(2, false);
  EXPECT_THAT(recorded_, ElementsAre("paused"));
  EXPECT_FALSE(leases_.last_snapshot());
}

TEST_F(LeasesTest, ReleasingWhatWasNotPausedAsksTheEngineNothing) {
  leases_.request(1, "snapshot", 10);
  leases_.release(1, false);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_TRUE(leases_.free());
}

TEST_F(LeasesTest, APauseThatIsStillUnderWayIsUndoneWithTheRest) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  leases_.connection_ended(1);
  ASSERT_EQ(calls_.size(), 2u);
  EXPECT_TRUE(calls_[0].pause);
  EXPECT_FALSE(calls_[1].pause);
  answer();
  EXPECT_FALSE(leases_.free());
  answer();
  EXPECT_TRUE(leases_.free());
  EXPECT_FALSE(leases_.paused());
}

TEST_F(LeasesTest, APipelinedReleaseIsNoWayAroundTheResume) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  leases_.release(1, false);
  ASSERT_EQ(calls_.size(), 2u);
  answer();
  answer();
  EXPECT_FALSE(leases_.paused());
  EXPECT_EQ(undone_, 0);
}

TEST_F(LeasesTest, AResumeThatFailsKeepsTheLeaseAndTheReason) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  answer();
  leases_.connection_ended(1);
  answer(Error(Code::kEngineRefused, "it will not"));
  EXPECT_THAT(leases_.stuck_reason(), HasSubstr("it will not"));
  EXPECT_TRUE(leases_.abandoned());
  // The loop tries again by itself.
  Loop::Timer check = loop_.after(std::chrono::milliseconds(150), [this] { loop_.stop(); });
  loop_.run();
  EXPECT_EQ(undone_, 0);
  answer();
  EXPECT_EQ(leases_.stuck_reason(), "");
  EXPECT_TRUE(leases_.free());
  EXPECT_EQ(undone_, 1);
}

TEST_F(LeasesTest, TheNextHolderWaitsForTheUndo) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  answer();
  leases_.request(2, "pause", 20);
  leases_.request(3, "other", 30);
  EXPECT_THAT(said_to(2), ElementsAre("wait"));
  leases_.connection_ended(3);
  leases_.connection_ended(1);
  EXPECT_THAT(said_to(2), ElementsAre("wait"));
  answer();
  EXPECT_THAT(said_to(2), ElementsAre("wait", "ok"));
  EXPECT_EQ(leases_.holder(), "pause (pid 20)");
  EXPECT_EQ(freed_, 0);
  leases_.release(2, true);
  EXPECT_EQ(freed_, 1);
}

// Two resumes are under way then; only the second one's answer gives the lease on.
TEST_F(LeasesTest, AHolderThatLeavesWhileItsReleaseIsUnderWayIsFollowedByOne) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  answer();
  leases_.request(2, "snapshot", 20);
  leases_.request(3, "snapshot", 30);
  leases_.release(1, false);
  leases_.connection_ended(1);
  answer();
  EXPECT_THAT(said_to(2), ElementsAre("wait"));
  answer();
  EXPECT_THAT(said_to(2), ElementsAre("wait", "ok"));
  EXPECT_THAT(said_to(3), ElementsAre("wait"));
  leases_.release(2, false);
  EXPECT_THAT(said_to(3), ElementsAre("wait", "ok"));
}

TEST_F(LeasesTest, WhatWasPausedBeforeStaysPaused) {
  leases_.request(1, "pause", 10);
  leases_.pause(1);
  answer();
  leases_.release(1, true);
  EXPECT_TRUE(leases_.paused());
  leases_.request(2, "snapshot", 20);
  leases_.pause(2);
  answer();
  leases_.connection_ended(2);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_TRUE(leases_.paused());
  EXPECT_TRUE(leases_.free());
}

TEST_F(LeasesTest, TheEndOfTheEngineIsToldToAll) {
  leases_.request(1, "snapshot", 10);
  leases_.pause(1);
  answer();
  leases_.request(2, "pause", 20);
  leases_.engine_ended();
  EXPECT_THAT(said_to(1).back(), HasSubstr("engine has ended"));
  EXPECT_THAT(said_to(2).back(), HasSubstr("engine has ended"));
  EXPECT_TRUE(leases_.free());
  EXPECT_FALSE(leases_.paused());
}

}  // namespace
}  // namespace knaller::monitor
