// What the engine does, and the end of the VM.
#include <csignal>

#include "base/json.h"
#include "base/text.h"
#include "monitor/handover_words.h"
#include "monitor/knock.h"
#include "monitor/monitor.h"
#include "monitor/vm_event.h"
#include "store/layout.h"

namespace knaller::monitor {

using std::chrono::steady_clock;

void Monitor::on_console(std::string_view text) {
  if (!life::launcher_hears_console(life_) || handover_->ended()) return;
  handover_->send_if_room({{"event", to_text(HandoverEvent::kConsole)}, {"text", text}});
}

void Monitor::on_marker(const ConsoleMarkers& markers) {
  if (markers.ready) handover_->send_if_room({{"event", to_text(HandoverEvent::kReady)}});
  if (markers.ready && !std::exchange(engine_->said_ready, true))
    record_event(VmEventKind::kReady, "the guest says that it is ready");
  if (!markers.halted) return engine_->halt_watch.reset();
  if (std::exchange(engine_->times_halted, markers.times_halted) != markers.times_halted) watch_for_halt();
}

// A guest that nothing turns off (poweroff on Firecracker, halt anywhere) leaves its engine running, with
// processors that stand still for good.
void Monitor::watch_for_halt() {
  engine_->halt_watch = std::make_unique<HaltWatch>(
      loop_, engine_->run->pid(), [this] { return halt_facts(); },
      [this](HaltEvidence::Verdict verdict) {
        const std::unique_ptr<HaltWatch> over = std::move(engine_->halt_watch);
        dispatch(life::HaltLookedAt{.halted = verdict == HaltEvidence::Verdict::kHalted});
      });
}

HaltFacts Monitor::halt_facts() const {
  HaltFacts facts{.may_run = life::guest_is_up(life_) && leases_->free() && !leases_->paused(),
                  .stop_asked = life::stop_is_asked(life_)};
  if (spec_.control_link) {
    facts.knock = [this] { return knock_at_agent(engine_->run->namespaces()); };
  } else if (network_ && network_->up()) {
    for (const PortForward& port : network_->plan().ports)
      if (port.protocol == Protocol::kTcp && (port.address == "127.0.0.1" || port.address == "0.0.0.0"))
        facts.knock = [number = port.host] { return knock_at_port(number); };
  }
  return facts;
}

void Monitor::on_engine_end(ExitStatus status) {
  engine_->halt_watch.reset();
  engine_->probe->answer_all(RunState::kStarting, {});
  leases_->engine_ended();
  dispatch(life::EngineEnded{.status = status,
                             .markers = engine_->run->markers(),
                             .reboot = {.restored = !spec_.load.empty(),
                                        .restart = spec_.restart_on_reboot,
                                        .can_boot = !spec_.boot.empty(),
                                        .too_often = reboots_too_often()},
                             .out_of_memory = group_.ran_out_of_memory()});
}

bool Monitor::reboots_too_often() {
  const auto now = steady_clock::now();
  while (!recent_reboots_.empty() && now - recent_reboots_.front() > std::chrono::minutes(1)) {
    recent_reboots_.pop_front();
  }
  return recent_reboots_.size() >= life::kMostRebootsPerMinute;
}

// Takes back what was one engine's. A network may stay for the next one.
void Monitor::after_engine() {
  if (network_) network_->detach();
  engine_.reset();
}

void Monitor::note_end(const Verdict& verdict, const ExitStatus& status) {
  exit_.emplace();
  exit_->state = verdict.state;
  exit_->reason = verdict.reason;
  exit_->at = std::chrono::system_clock::now();
  (status.signaled ? exit_->signal : exit_->rc) = status.value;
  attempt([this] { after_engine(); });
  group_.end();
}

// Nothing of the VM is needed any more, however it ended.
void Monitor::release_vm() {
  attempt([this] { after_engine(); });
  network_.reset();
  group_.end();
  if (server_) server_->close();
}

// Nothing of the VM runs any more. What goes wrong here can only be written down: the VM has ended all the
// same.
void Monitor::leave_directory() {
  release_vm();
  attempt([this] { write_exit_record(directory_->fd(), *exit_); });
  attempt([this] {
    record_event(exit_->state == EndState::kCrashed ? VmEventKind::kCrashed : VmEventKind::kStopped,
                 fmt::format("{}: {}", to_text(exit_->state), exit_->reason));
  });
  attempt([this] { directory_->clear_in_jail(layout::kApiSocket); });
  attempt([this] { directory_->clear_in_jail(layout::kEngineFifo); });
  if (spec_.remove_at_end) attempt([this] { directory_->remove(); });
  directory_->release_alive();
}

// What stays behind does so under its ".new-" name, for the next command's sweep.
void Monitor::leave_staged_directory() {
  if (!directory_) return;
  attempt([this] {
    if (directory_->undo()) return;
    attempt([this] { directory_->clear_in_jail(layout::kApiSocket); });
    attempt([this] { directory_->clear_in_jail(layout::kEngineFifo); });
    // A start that its command gave up leaves the VM as it was; a guest that ended is the VM's last end.
    if (exit_) attempt([this] { write_exit_record(directory_->fd(), *exit_); });
  });
  directory_->release_alive();
}

// Each step for itself: where the disk is too full to write how it ended, the VM can still be removed.
void Monitor::attempt(const std::function<void()>& step) {
  try {
    step();
  } catch (const std::exception& exception) {
    if (logs_) logs_->add_engine(fmt::format("knaller-monitor: {}\n", exception.what()));
  }
}

void Monitor::record_event(VmEventKind kind, const std::string& what) {
  logs_->events.append(event_line(kind, what, std::chrono::system_clock::now()) + "\n");
}

}  // namespace knaller::monitor
