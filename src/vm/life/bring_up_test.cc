// What a start makes of all that its monitor may say or do; the monitor is a thread of this process.
#include "vm/life/bring_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/json.h"
#include "base/process.h"
#include "base/socket.h"
#include "monitor/alive.h"
#include "monitor/handover_words.h"
#include "vm/home/test_home.h"

namespace knaller::vm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kStarted = R"({"v":1,"event":"started","monitor_pid":11,"engine_pid":12})";
const std::string kReady = R"({"v":1,"event":"ready"})";
const std::string kCommitted = R"({"v":1,"event":"committed"})";

class BringUpTest : public testing::Test {
 public:
  // A monitor's whole life: what it does with each request of the launcher's, "launch" and "commit". False:
  // it hangs up.
  using Monitor = std::function<bool(BringUpTest& test, int socket, const std::string& op)>;

  BringUpTest() : lock_(home_.context.home.lock(store::Kind::kVm, "web", "start", kSoon)) {
    vm_.transaction = std::make_unique<store::Transaction>(lock_);
    make_vm_directories(vm_.directory());
    vm_.record.name = "web";
    vm_.record.uuid = "uuid-of-web";
    vm_.record.network = NetworkMode::kNone;
    vm_.record.guest_protocol = 1;
    write_file_atomically(vm_.directory(), layout::in_jail(layout::kRootfs), "", Durability::kNoSync);
    store::write_vm_record(vm_.directory(), vm_.record, Durability::kNoSync);
  }

  BroughtUp bring_up(const Monitor& monitor, BringUpPlan plan = {}) {
    auto [ours, theirs] = make_socket_pair();
    std::jthread thread([&, socket = std::move(theirs)] {
      std::string buffer, line;
      while (read_line(socket.get(), buffer, line, 1 << 20, kSoon, "the launcher")) {
        request_ = parse_json(line, "the request");
        if (!monitor(*this, socket.get(), request_.at("op"))) return;
      }
      was_given_up_ = true;
      ::shutdown(socket.get(), SHUT_WR);
    });
    return vm::bring_up(home_.context, vm_, plan, monitor::Launch(std::move(ours)));
  }
  std::string error_of(const Monitor& monitor, const BringUpPlan& plan = {}) {
    return message_thrown_by([&] { bring_up(monitor, plan); });
  }

  static void say(int socket, const std::string& message) {
    send_all(socket, message + "\n", kSoon, "the launcher");
  }
  // As a monitor does on commit.
  void publish() const {
    ASSERT_EQ(::rename(vm_.transaction->path().c_str(), home_.path_of_vm("web").c_str()), 0);
  }
  static bool goes_well(BringUpTest& test, int socket, const std::string& op) {
    if (op == "launch") {
      say(socket, kStarted);
      say(socket, kReady);
    } else {
      test.publish();
      say(socket, kCommitted);
    }
    return true;
  }

  TestHome home_;
  store::EntryLock lock_;
  PreparedVm vm_;
  Json request_;  // the last one
  bool was_given_up_ = false;
};

TEST_F(BringUpTest, WritesWhatWasLearntBeforeItCommits) {
  const auto looks = [](BringUpTest& test, int socket, const std::string& op) {
    if (op == "commit") {
      const store::VmRecord written = store::read_vm_record(test.vm_.directory(), "web");
      EXPECT_NE(written.boot_id, "");
      EXPECT_GT(written.started_at, SystemTime{});
    }
    return goes_well(test, socket, op);
  };
  EXPECT_TRUE(bring_up(looks).record.renewed);
  EXPECT_TRUE(exists(home_.path_of_vm("web")));
}

TEST_F(BringUpTest, TellsTheMonitorWhatTheVmIs) {
  vm_.record.memory_mib = 4096;
  vm_.record.boot_args = "console=ttyS0";
  Json spec;
  bring_up([&](BringUpTest& test, int socket, const std::string& op) {
    if (op == "launch") spec = test.request_.at("spec");
    return goes_well(test, socket, op);
  });
  EXPECT_EQ(spec.at("uuid"), "uuid-of-web");
  EXPECT_GT(spec.at("file_limit"), uint64_t{4} << 30) << "a snapshot's memory must fit";
  EXPECT_FALSE(spec.at("boot").empty());
}

TEST_F(BringUpTest, WaitsForTheGuestToBeReady) {
  std::vector<std::string> order;
  bring_up([&](BringUpTest& test, int socket, const std::string& op) {
    if (op == "launch") {
      say(socket, kStarted);
      say(socket, R"({"v":1,"event":"console","text":"booting\n"})");
      order.emplace_back("said nothing yet");
      say(socket, kReady);
      return true;
    }
    order.emplace_back("commit");
    return goes_well(test, socket, op);
  });
  EXPECT_THAT(order, ElementsAre("said nothing yet", "commit"));
}

TEST_F(BringUpTest, ShowsTheConsoleOfAGuestThatIsNotReadyInTime) {
  BringUpPlan plan;
  plan.options.wait.timeout = std::chrono::milliseconds(20);
  const std::string error = error_of(
      [](BringUpTest&, int socket, const std::string&) {
        say(socket, kStarted);
        say(socket, R"({"v":1,"event":"console","text":"Kernel panic\n"})");
        return true;
      },
      plan);
  EXPECT_THAT(error, AllOf(HasSubstr("did not say 'knaller: ready'"), HasSubstr("Kernel panic")));
  EXPECT_TRUE(was_given_up_) << "the monitor undoes what it started";
}

TEST_F(BringUpTest, SaysHowAVmEndedThatWasNotReady) {
  const std::string error = error_of([](BringUpTest&, int socket, const std::string&) {
    say(socket, kStarted);
    say(socket, R"({"v":1,"event":"ended","text":"the last lines","exit":{"state":"crashed","code":1,)"
                R"("reason":"the engine ended with status 1","at":"2026-01-01T00:00:00Z"}})");
    return true;
  });
  EXPECT_THAT(error, AllOf(HasSubstr("the engine ended with status 1"), HasSubstr("the last lines")));
}

TEST_F(BringUpTest, OfACloneThatIsNotWaitedForSaysThatItWasNotRenewed) {
  vm_.load.push_back({.method = "PUT", .path = "/snapshot/load", .body = "{}"});
  BringUpPlan plan;
  plan.options.wait.ready = false;
  const store::VmRecord record = bring_up(goes_well, plan).record;
  EXPECT_FALSE(record.renewed);
  EXPECT_EQ(record.renew_reason, "it was started with --no-wait");
}

TEST_F(BringUpTest, NotesACloneThatCannotBeRenewed) {
  vm_.load.push_back({.method = "PUT", .path = "/snapshot/load", .body = "{}"});
  const store::VmRecord record = bring_up(goes_well).record;
  EXPECT_FALSE(record.renewed);
  EXPECT_EQ(record.renew_reason, "the guest has no agent of knaller's");
  EXPECT_THAT(home_.notes, ElementsAre(HasSubstr("keeps the snapshot's")));
}

// Whether the VM lives is the answer when the monitor's was lost.
TEST_F(BringUpTest, HasSucceededWhenOnlyTheMonitorsAnswerIsLost) {
  UniqueFd alive;
  bring_up([&](BringUpTest& test, int socket, const std::string& op) {
    if (op == "launch") return goes_well(test, socket, op);
    alive = monitor::lock_monitor_alive(test.vm_.directory());
    test.publish();
    return false;
  });
  EXPECT_THAT(home_.notes, ElementsAre("the VM's monitor could not say that it has taken over, but it has"));
}

TEST_F(BringUpTest, HasFailedWhenTheMonitorEndsInsteadOfCommitting) {
  const std::string error = error_of([](BringUpTest& test, int socket, const std::string& op) {
    return op == "launch" && goes_well(test, socket, op);
  });
  EXPECT_THAT(error, HasSubstr("the VM's monitor ended unexpectedly"));
  vm_.transaction.reset();
  EXPECT_THAT(list_directory(home_.context.home.folder(store::Kind::kVm)), IsEmpty());
}

TEST_F(BringUpTest, HasFailedWhenThePublishedVmHasEndedAgain) {
  const std::string error = error_of([](BringUpTest& test, int socket, const std::string& op) {
    if (op == "launch") return goes_well(test, socket, op);
    test.publish();
    return false;
  });
  EXPECT_THAT(error, HasSubstr("the VM's monitor ended unexpectedly"));
}

TEST_F(BringUpTest, PassesOnWhatTheMonitorCouldNotDo) {
  const std::string error = error_of([](BringUpTest&, int socket, const std::string&) {
    say(socket,
        R"({"v":1,"event":"error","error":{"code":"busy","message":"port 80 is taken","hint":"use another"}})");
    return true;
  });
  EXPECT_EQ(error, "port 80 is taken | use another");
}

TEST_F(BringUpTest, GivesTheTieOfATiedVmToItsCaller) {
  BringUpPlan plan;
  plan.options.tie = true;
  const BroughtUp up = bring_up(
      [](BringUpTest& test, int socket, const std::string& op) {
        if (op == "launch") {
          EXPECT_EQ(test.request_.at("spec").at("tied"), true);
        }
        return goes_well(test, socket, op) && op == "launch";  // else it would wait for the tie's end
      },
      plan);
  EXPECT_FALSE(was_given_up_) << "the connection is the tie, and goes on";
}

}  // namespace
}  // namespace knaller::vm
