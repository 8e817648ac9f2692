// What the engine does, and the end of the VM. The start is in monitor_start.cc, other commands' requests in
// monitor_requests.cc.
#include "monitor/monitor.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

namespace knaller::monitor {
namespace {

using std::chrono::steady_clock;

constexpr LinePeer::Limits kHandoverLimits{.line = 4 << 20, .unsent = 4 << 20};
constexpr size_t kRebootsPerMinute = 3;
constexpr std::chrono::seconds kTerminateTime{10};

}  // namespace

Monitor::Monitor(Loop& loop, UniqueFd handover) : loop_(loop) {
  handover_ = std::make_unique<LinePeer>(
      loop_, std::move(handover), kHandoverLimits,
      [this](const std::string& line) { on_handover_line(line); }, [this] { on_handover_end(); });
}

// What no callback expected (memory or descriptors that are used up) ends the VM, too, but not without a
// word.
void Monitor::run() {
  try {
    loop_.run();
  } catch (const std::exception& exception) {
    give_up(error_from(exception).in("the VM's monitor failed"));
  }
}

void Monitor::give_up(const Error& error) {
  if (phase_ != Phase::kRunning) return undo(error);
  killed_for_ = error.what();
  finish({false, "crashed", error.what()}, {.signaled = true, .value = SIGKILL});
}

void Monitor::on_terminate() {
  if (phase_ == Phase::kRunning) return stop(kTerminateTime, false);
  fail_start(Error(Code::kCancelled, "the monitor was asked to terminate"));
}

void Monitor::on_console(std::string_view text) {
  if (phase_ != Phase::kStarting || handover_->ended()) return;
  handover_->send_if_room({{"event", "console"}, {"text", text}});
}

void Monitor::on_marker(const ConsoleMarkers& markers) {
  if (markers.ready) handover_->send_if_room({{"event", "ready"}});
  if (!markers.halted) return halt_watch_.reset();
  if (std::exchange(times_halted_, markers.times_halted) != markers.times_halted) watch_for_halt();
}

// A guest that nothing turns off (poweroff on Firecracker, halt anywhere) leaves its engine running, with
// processors that stand still for good.
void Monitor::watch_for_halt() {
  halt_watch_ = std::make_unique<HaltWatch>(
      loop_, engine_->pid(), [this] { return halt_facts(); },
      [this](HaltEvidence::Verdict verdict) { on_halt_verdict(verdict); });
}

HaltFacts Monitor::halt_facts() const {
  const bool forwards = network_ && network_->up() && !network_->plan().ports.empty();
  return {.may_run = engine_ready_ && leases_->free() && !leases_->paused(),
          .stop_asked = stop_asked_,
          .port = forwards ? network_->plan().ports.front().host : uint16_t{0}};
}

void Monitor::on_halt_verdict(HaltEvidence::Verdict verdict) {
  const std::unique_ptr<HaltWatch> over = std::move(halt_watch_);
  if (verdict == HaltEvidence::Verdict::kAlive)
    return record_event("the guest's console says that it has halted, but it runs");
  stands_still_ = true;
  engine_->kill();
}

void Monitor::on_engine_end(ExitStatus status) {
  halt_watch_.reset();
  times_halted_ = 0;
  natural_end_timer_.reset();
  probe_timer_.reset();
  probing_ = false;
  answer_probes("starting", {});
  leases_->engine_ended();
  if (undoing_) return undo(std::nullopt);
  if (!started_ || failure_) {
    Error error = failure_ ? *failure_ : Error(Code::kEngineDied, "the engine ended before the guest ran");
    // Unless it was our own kill, how it ended is what explains the rest.
    if (error.code() == Code::kEngineDied) error.in(status.sentence("the engine"));
    return undo(error);
  }
  const Verdict verdict = judge({.markers = engine_->markers(),
                                 .status = status,
                                 .stop_asked = stop_asked_,
                                 .stop_forced = stop_forced_,
                                 .stands_still = stands_still_,
                                 .killed_for = killed_for_});
  finish(verdict.reboot ? start_again() : verdict, status);
}

// The verdict is empty when the guest's next engine is on its way.
Verdict Monitor::start_again() {
  const Verdict reboot{true, "stopped", "the guest rebooted"};
  // Its memory is gone: booted again, it would not be what was asked for.
  if (phase_ == Phase::kStarting && !spec_.load.empty())
    return {false, "crashed", "the guest rebooted instead of going on from its snapshot"};
  if (!spec_.restart_on_reboot) return reboot;
  if (spec_.boot.empty())
    return {false, "stopped", "the guest rebooted, and has no kernel of its own to boot again"};
  const auto now = steady_clock::now();
  while (!recent_reboots_.empty() && now - recent_reboots_.front() > std::chrono::minutes(1)) {
    recent_reboots_.pop_front();
  }
  if (recent_reboots_.size() >= kRebootsPerMinute) {
    return {false, "crashed",
            fmt::format("the guest rebooted {} times within a minute", kRebootsPerMinute + 1)};
  }
  recent_reboots_.push_back(now);
  ++reboots_;
  record_event("the guest rebooted; starting it again");
  handover_->send_if_room({{"event", "reboot"}});
  try {
    if (network_) network_->detach();
    engine_.reset();
    start_engine(spec_.boot);
    return {};
  } catch (const std::exception& exception) {
    return {false, "crashed",
            fmt::format("it could not be started again after a reboot: {}", exception.what())};
  }
}

void Monitor::finish(const Verdict& verdict, const ExitStatus& status) {
  if (verdict.state.empty()) return;
  stop_timer_.reset();
  last_call_timer_.reset();
  exit_.emplace();
  exit_->state = verdict.state;
  exit_->reason = verdict.reason;
  exit_->at = std::chrono::system_clock::now();
  (status.signaled ? exit_->signal : exit_->rc) = status.value;
  if (network_) network_->detach();
  engine_.reset();
  if (phase_ == Phase::kStarting) {
    // The launcher decides what this means for it; its end, or its wish to commit, is what we wait for.
    phase_ = Phase::kEnded;
    handover_->send(
        {{"event", "ended"}, {"exit", exit_record_to_json(*exit_)}, {"text", logs_->explanation()}});
    return;
  }
  phase_ = Phase::kEnded;
  leave_directory();
  const Json answer{{"v", kProtocolVersion}, {"ok", true}, {"exit", exit_record_to_json(*exit_)}};
  for (const ConnectionId waiter : end_waiters_) server_->reply(waiter, answer);
  handover_->send({{"event", "ended"}, {"exit", exit_record_to_json(*exit_)}, {"text", ""}});
  loop_.stop();
}

// Nothing of the VM runs any more. What goes wrong here can only be written down: the VM has ended all the
// same.
void Monitor::leave_directory() {
  server_->close();
  // Each for itself: where the disk is too full to write how it ended, the VM can still be removed.
  const auto attempt = [this](const std::function<void()>& step) {
    try {
      step();
    } catch (const std::exception& exception) {
      logs_->add_engine(fmt::format("knaller-monitor: {}\n", exception.what()));
    }
  };
  attempt([this] { write_exit_record(directory_->fd(), *exit_); });
  attempt([this] { record_event(fmt::format("{}: {}", exit_->state, exit_->reason)); });
  attempt([this] { directory_->clear_in_jail("api.sock"); });
  attempt([this] { directory_->clear_in_jail("log"); });
  if (spec_.remove_at_end) attempt([this] { directory_->remove(); });
  directory_->release_alive();
}

void Monitor::record_event(const std::string& what) {
  const Json event{{"at", format_time(std::chrono::system_clock::now())}, {"event", what}};
  logs_->events.append(dump_json(event) + "\n");
}

}  // namespace knaller::monitor
