// Moments of a VM's life that two things come to at once, made to happen in one order: with a monitor that
// the test holds up, in a process of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

#include "base/socket.h"
#include "firecracker/client.h"
#include "monitor/monitor.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class LifeTest : public testing::Test {
 protected:
  // `on_trigger` runs on the monitor's loop when the test triggers it.
  void fork_monitor(const std::function<void(Monitor&)>& on_trigger) {
    auto [ours, theirs] = make_socket_pair();
    monitor_ = ::fork();
    if (monitor_ == 0) {
      ours.reset();
      Loop loop;
      Monitor monitor(loop, std::move(theirs));
      const Loop::Watch watch =
          loop.watch(trigger_.read_end.get(), POLLIN, [&](short) { on_trigger(monitor); });
      monitor.run();
      ::_exit(0);
    }
    handover_ = std::move(ours);
  }
  void trigger() { write_all(trigger_.write_end.get(), "x", "the test"); }
  void take_trigger() {
    char byte;
    ASSERT_EQ(read_up_to(trigger_.read_end.get(), &byte, 1, "the test"), 1u);
  }
  void tell(const Json& message) {
    send_all(handover_.get(), dump_json(message) + "\n", soon(), "the monitor");
  }
  void launch() { tell({{"v", 1}, {"op", "launch"}, {"spec", spec_to_json(vm_.spec)}}); }
  void commit() { tell({{"v", 1}, {"op", "commit"}}); }
  // The next one that is not about the console or a phase; null at the end.
  Json next_event() {
    std::string line;
    while (read_line(handover_.get(), buffer_, line, 4 << 20, soon(), "the monitor")) {
      const Json message = parse_json(line, "a message");
      const std::string event = message.value("event", "");
      if (event != "console" && event != "phase" && event != "ready") return message;
    }
    return nullptr;
  }
  Json await_event(const std::string& event) {
    Json message = next_event();
    while (!message.is_null() && message.value("event", "") != event) message = next_event();
    EXPECT_FALSE(message.is_null()) << "no '" << event << "'";
    return message;
  }
  void await_end_of_monitor() { ASSERT_EQ(::waitpid(monitor_, nullptr, 0), monitor_); }
  ExitRecord record() {
    const auto found = read_exit_record(vm_.directory().get());
    if (!found) fail(Code::kInternal, "the monitor left no record of how its VM ended");
    return *found;
  }

  TestVm vm_;
  Pipe trigger_ = make_pipe();
  pid_t monitor_ = 0;
  UniqueFd handover_;
  std::string buffer_;
};

TEST_F(LifeTest, AMonitorInWhichSomethingFailsSaysHowTheVmEnded) {
  fork_monitor([](Monitor&) { throw std::bad_alloc(); });
  launch();
  await_event("started");
  commit();
  await_event("committed");
  trigger();
  await_event("ended");
  await_end_of_monitor();
  EXPECT_EQ(record().state, EndState::kCrashed);
  EXPECT_THAT(record().reason, HasSubstr("the VM's monitor failed"));
  EXPECT_FALSE(is_alive(vm_.directory().get()));
}

// The launcher would believe in a VM that is removed the moment after.
TEST_F(LifeTest, ACommitThatMeetsAnUndoIsNotObeyed) {
  fork_monitor([this](Monitor& monitor) {
    take_trigger();
    monitor.on_terminate();
    take_trigger();  // until the commit is there
  });
  launch();
  const auto engine = await_event("started").value("engine_pid", 0);
  trigger();
  ASSERT_TRUE(becomes_true([&] { return is_gone(engine); }, seconds(5)));
  commit();
  trigger();
  const Json answer = next_event();
  EXPECT_EQ(answer.value("event", ""), "error") << answer;
  await_end_of_monitor();
  EXPECT_THAT(vm_.entries(), IsEmpty());
}

// Its requests fail then, too, because it was killed: that is not why the VM ended.
TEST_F(LifeTest, AStopByForceOfAVmThatIsRebootingIsAStop) {
  vm_.script(R"({"rules": [{"path": "/boot-source", "delay_ms": 60}]})");
  for (int round = 0; round < 3; ++round) {
    Launch launch = vm_.start();
    {
      const UniqueFd jail = open_directory(vm_.path("jail"));
      firecracker::Client(jail.get(), "api.sock").apply(firecracker::send_ctrl_alt_del(), soon());
    }
    ASSERT_TRUE(becomes_true([&] { return vm_.client().status(soon()).reboots == 1; }, seconds(5)));
    pause_for(milliseconds(20), soon());
    const ExitRecord end = vm_.stop(seconds(0), true);
    EXPECT_EQ(end.state, EndState::kStopped) << end.reason;
    EXPECT_EQ(end.reason, "it was ended by force");
    vm_.spec.entry.how = store::EntryChange::How::kKeep;
  }
}

}  // namespace
}  // namespace knaller::monitor
