// Events in, effects out. The start is in monitor_start.cc, what the engine does and the end in
// monitor_engine.cc, other commands' requests in monitor_requests.cc.
#include "monitor/monitor.h"

#include <malloc.h>
#include <unistd.h>

#include "base/json.h"
#include "monitor/handover_words.h"
#include "monitor/pause.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr LinePeer::Limits kHandoverLimits{.line = 4 << 20, .unsent = 4 << 20};
// For an engine that hung up on us to end by itself, so that its exit code can be told.
constexpr std::chrono::milliseconds kNaturalEnd{500};
// Before its time is over a guest is asked again: those of our images then end what still runs, write their
// disks and go.
constexpr std::chrono::milliseconds kLastCall{2000};

std::chrono::milliseconds before_last_call(std::chrono::milliseconds timeout) {
  return timeout - std::min(kLastCall, timeout / 4);
}

}  // namespace

Monitor::Monitor(Loop& loop, UniqueFd handover) : loop_(loop) {
  handover_ = std::make_unique<LinePeer>(
      loop_, std::move(handover), kHandoverLimits,
      [this](const std::string& line) { on_handover_line(line); },
      [this] { dispatch(life::LauncherGone{.tied = spec_.tied}); });
}

// What no callback expected (memory or descriptors that are used up) ends the VM, too, but not without a
// word.
void Monitor::run() {
  try {
    loop_.run();
  } catch (const std::exception& exception) {
    events_.clear();
    dispatch(life::MonitorFailed{error_from(exception).in("the VM's monitor failed")});
  }
}

void Monitor::on_terminate() {
  dispatch(life::Terminate{.guest_may_run = guest_may_run()});
}

void Monitor::dispatch(life::Event event) {
  events_.push_back(std::move(event));
  if (dispatching_) return;
  struct Turn {
    bool& on;
    explicit Turn(bool& flag) : on(flag) { on = true; }
    ~Turn() { on = false; }
  } const turn(dispatching_);
  while (!events_.empty()) {
    const life::Event next = std::move(events_.front());
    events_.pop_front();
    enter(life::step(life_, next));
  }
}

// The only place where the state changes.
void Monitor::enter(const life::Transition& transition) {
  if (transition.next.index() != life_.index()) clocks_ = {};
  life_ = transition.next;
  for (const life::Effect& effect : transition.effects) {
    std::visit([this](const auto& one) { carry_out(one); }, effect);
  }
}

void Monitor::carry_out(const life::BeginLaunch&) {
  attempt_start([this] {
    begin_launch();
    report_phase("prepare", began_);
    start_engine(spec_.load.empty() ? spec_.boot : spec_.load);
  });
}

void Monitor::carry_out(const life::StartAgain&) {
  recent_reboots_.push_back(std::chrono::steady_clock::now());
  ++reboots_;
  handover_->send_if_room({{"event", to_text(HandoverEvent::kReboot)}});
  attempt_start([this] { start_engine(spec_.boot); });
}

void Monitor::carry_out(const life::ForbidExecution&) {
  if (engine_) engine_->run->forbid_execution();
}

void Monitor::carry_out(const life::KillEngine&) {
  if (engine_) engine_->run->kill();
}

void Monitor::carry_out(const life::AwaitNaturalEnd&) {
  clocks_.natural_end = loop_.after(kNaturalEnd, [this] { dispatch(life::NaturalEndOver{}); });
}

void Monitor::carry_out(const life::Record& record) {
  record_event(record.kind, record.what);
}

void Monitor::carry_out(const life::TellStarted&) {
  Json message{{"event", to_text(HandoverEvent::kStarted)},
               {"monitor_pid", ::getpid()},
               {"engine_pid", engine_->run->pid()}};
  if (network_) message["network"] = plan_to_json(network_->plan());
  const auto note = [this](std::string_view text) {
    handover_->send({{"event", to_text(HandoverEvent::kNote)}, {"text", text}});
  };
  if (network_ && network_->offline()) note("the host has no default route: the guest is offline");
  if (network_ && network_->nameless())
    note("the host's /etc/resolv.conf names no server: the guest can look up no names");
  handover_->send(message);
}

void Monitor::carry_out(const life::Publish&) {
  try {
    publish();
  } catch (const std::exception& exception) {
    return dispatch(life::NotPublished{error_from(exception)});
  }
  dispatch(life::Published{});
}

void Monitor::carry_out(const life::TellCommitted&) {
  handover_->send({{"event", to_text(HandoverEvent::kCommitted)}});
  ::malloc_trim(0);
}

void Monitor::carry_out(const life::TellUntied&) {
  spec_.tied = false;
  spec_.remove_at_end = false;
  handover_->send({{"event", to_text(HandoverEvent::kUntied)}});
}

void Monitor::carry_out(const life::TellError& told) {
  handover_->send({{"event", to_text(HandoverEvent::kError)}, {"error", error_to_json(told.error)}});
}

void Monitor::carry_out(const life::RefuseCommit& refusal) {
  const Error error(Code::kEngineDied, fmt::format("the VM has ended: {}", refusal.reason),
                    logs_->explanation());
  carry_out(life::TellError{error});
}

void Monitor::carry_out(const life::AskGuest&) {
  engine_->run->worker().post(
      [paused = leases_->paused() || leases_->abandoned()](const firecracker::Client& client,
                                                           std::stop_token stop) {
        if (paused) apply_paused(client, false, Deadline::never(stop));
        client.apply(firecracker::send_ctrl_alt_del(), Deadline::never(stop));
      },
      [this](const std::optional<Error>& error) {
        if (error && error->code() != Code::kEngineDied) dispatch(life::GuestNotAsked{*error});
      });
}

void Monitor::carry_out(const life::AskGuestAgain&) {
  engine_->run->worker().post(
      [](const firecracker::Client& client, std::stop_token stop) {
        client.apply(firecracker::send_ctrl_alt_del(), Deadline::never(stop));
      },
      [](const std::optional<Error>&) {});
}

void Monitor::carry_out(const life::ArmStop& stop) {
  const auto timeout = stop.timeout;
  clocks_.last_call = loop_.after(before_last_call(timeout), [this] { dispatch(life::LastCallDue{}); });
  clocks_.stop = loop_.after(timeout, [this, timeout] { dispatch(life::StopTimeOver{timeout}); });
}

// The launcher decides what this means for it; its end, or its wish to commit, is what we wait for.
void Monitor::carry_out(const life::EndUncommitted& end) {
  note_end(end.verdict, end.status);
  handover_->send({{"event", to_text(HandoverEvent::kEnded)},
                   {"exit", exit_record_to_json(*exit_)},
                   {"text", logs_->explanation()}});
}

void Monitor::carry_out(const life::End& end) {
  note_end(end.verdict, end.status);
  leave_directory();
  const Json answer{{"v", kProtocolVersion}, {"ok", true}, {"exit", exit_record_to_json(*exit_)}};
  for (const ConnectionId waiter : end_waiters_) server_->reply(waiter, answer);
  handover_->send(
      {{"event", to_text(HandoverEvent::kEnded)}, {"exit", exit_record_to_json(*exit_)}, {"text", ""}});
  loop_.stop();
}

// No engine is left. Only then are directory and ports free, so only then is the launcher told.
void Monitor::carry_out(const life::Undo& undo) {
  std::optional<Error> told = undo.error;
  // A port that somebody else has is nothing that the guest or its engine could explain.
  const bool explainable = told && logs_ && told->code() != Code::kBusy;
  const std::string explanation = explainable ? logs_->explanation() : std::string();
  if (!explanation.empty())
    told->with_hint(told->hint().empty() ? explanation : told->hint() + "\n" + explanation);
  release_vm();
  leave_staged_directory();
  if (told) carry_out(life::TellError{*told});
  loop_.stop();
}

void Monitor::carry_out(const life::LeaveLoop&) {
  loop_.stop();
}

}  // namespace knaller::monitor
