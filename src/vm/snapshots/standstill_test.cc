#include "vm/snapshots/standstill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "monitor/test_monitor.h"

namespace knaller::vm {
namespace {

using monitor::MonitorClient;
using monitor::TestMonitor;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;

using namespace std::chrono_literals;

const std::string kYes = R"({"v":1,"ok":true})";
const std::string kNo = R"({"v":1,"ok":false,"error":{"code":"engine-refused","message":"it will not"}})";

std::string status_of(const std::string& state, pid_t engine) {
  return dump_json({{"v", 1},
                    {"ok", true},
                    {"state", state},
                    {"reason", "it has not answered for 10 s"},
                    {"monitor_pid", 1},
                    {"engine_pid", engine},
                    {"since", "2026-01-01T00:00:00Z"},
                    {"ports", Json::array()}});
}

class StandstillTest : public testing::Test {
 protected:
  // What hold_still() throws with a monitor like this.
  std::string hold(const TestMonitor::Answer& answer, const std::function<void()>& work) {
    TestMonitor monitor(folder_.fd(), answer);
    MonitorClient client = MonitorClient::connect(folder_.fd(), kSoon);
    monitor::Lease lease = client.lease(monitor::kSnapshotVerb, kSoon);
    const std::string error = message_thrown_by([&] { hold_still(lease, "web", kSoon, standstill_, work); });
    asked_ = monitor.asked();
    return error;
  }

  pid_t engine_of(const TestMonitor::Answer& answer) {
    TestMonitor monitor(folder_.fd(), answer);
    MonitorClient client = MonitorClient::connect(folder_.fd(), kSoon);
    return running_engine(client, "web", kSoon);
  }

  TestFolder folder_;
  Standstill standstill_;
  std::vector<std::string> asked_;
};

TEST_F(StandstillTest, PausesForTheWorkAndResumes) {
  EXPECT_EQ(hold([](const Json&) { return kYes; }, [] { std::this_thread::sleep_for(2ms); }), "");
  EXPECT_THAT(asked_, ElementsAre("lease", "pause", "release"));
  EXPECT_THAT(standstill_.lasted, Ge(2ms));
  EXPECT_TRUE(standstill_.ended);
}

TEST_F(StandstillTest, OfAVmThatWasPausedTakesNoTime) {
  const auto paused = [](const Json& request) {
    return request.at("op") == "lease" ? R"({"v":1,"ok":true,"was_paused":true})" : kYes;
  };
  EXPECT_EQ(hold(paused, [] {}), "");
  EXPECT_THAT(asked_, ElementsAre("lease", "release")) << "its user has paused it";
  EXPECT_EQ(standstill_.lasted, 0us);
  EXPECT_FALSE(standstill_.ended);
}

TEST_F(StandstillTest, ResumesAfterWorkThatFailed) {
  const std::string error =
      hold([](const Json&) { return kYes; }, [] { fail(Code::kIo, "the disk gave up"); });
  EXPECT_THAT(error, HasSubstr("the disk gave up"));
  EXPECT_THAT(asked_, ElementsAre("lease", "pause", "release"));
  EXPECT_TRUE(standstill_.ended) << "it stood still for nothing, and that long";
}

TEST_F(StandstillTest, SaysWhatToDoWhenTheWorkTookTooLong) {
  EXPECT_THAT(hold([](const Json&) { return kYes; }, [] { fail(Code::kTimeout, "too slow"); }),
              AllOf(HasSubstr("too slow"), HasSubstr("the VM runs on"), HasSubstr("--max-pause")));
}

TEST_F(StandstillTest, DoesNothingToAVmThatCouldNotBePaused) {
  bool worked = false;
  const auto refuses = [](const Json& request) { return request.at("op") == "pause" ? kNo : kYes; };
  EXPECT_THAT(hold(refuses, [&] { worked = true; }), HasSubstr("it will not"));
  EXPECT_FALSE(worked);
  EXPECT_THAT(asked_, ElementsAre("lease", "pause", "release"));
}

// What its user has to know first is that the VM stands still.
TEST_F(StandstillTest, SaysFirstThatTheVmCouldNotBeResumed) {
  const auto stays = [](const Json& request) { return request.at("op") == "release" ? kNo : kYes; };
  const auto says = AllOf(HasSubstr("could not be resumed"), HasSubstr("knaller resume web"));
  EXPECT_THAT(hold(stays, [] {}), says);
  EXPECT_FALSE(standstill_.ended);
  const std::string both = hold(stays, [] { fail(Code::kIo, "the disk gave up"); });
  EXPECT_THAT(both, AllOf(says, HasSubstr("the disk gave up")));
  EXPECT_LT(both.find("could not be resumed"), both.find("the disk gave up"));
}

TEST_F(StandstillTest, SaysSoWhenTheMonitorEndsMeanwhile) {
  const auto ends = [](const Json& request) { return request.at("op") == "release" ? "" : kYes; };
  EXPECT_THAT(hold(ends, [] {}), HasSubstr("could not be resumed"));
}

TEST_F(StandstillTest, TakesTheEngineThatTheMonitorConfirms) {
  EXPECT_EQ(engine_of([](const Json&) { return status_of("running", ::getpid()); }), ::getpid());
}

// The old engine's pid is nobody's by now, and may become anybody's.
TEST_F(StandstillTest, WaitsForTheEngineOfAGuestThatReboots) {
  Child gone = spawn({.argv = {"/bin/true"}});
  const pid_t old = gone.pid();
  gone.wait(kSoon);
  int asked = 0;
  const auto reboots = [&](const Json&) { return status_of("running", ++asked <= 3 ? old : ::getpid()); };
  EXPECT_EQ(engine_of(reboots), ::getpid());
  EXPECT_GT(asked, 3);
}

TEST_F(StandstillTest, AsksNothingOfAnEngineThatIsStuck) {
  EXPECT_THAT(
      message_thrown_by([&] { engine_of([](const Json&) { return status_of("stuck", ::getpid()); }); }),
      AllOf(HasSubstr("it has not answered for 10 s"), HasSubstr("knaller stop --force web")));
}

}  // namespace
}  // namespace knaller::vm
