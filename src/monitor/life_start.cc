// Before the commit: the start, and the way back.
#include "monitor/life_moves.h"

namespace knaller::monitor::life {
namespace {

Error ended_early() {
  return Error(Code::kEngineDied, "the engine ended before the guest ran");
}

// Unless it was our own kill, how the engine ended is what explains the rest.
Error with_end(Error error, const ExitStatus& status) {
  if (error.code() == Code::kEngineDied) error.in(status.sentence("the engine"));
  return error;
}

struct InAwaitingLaunch
    : Ignores<Published, NotPublished, EngineCloned, EngineReady, EngineFailed, NetworkAttached, HaltLookedAt,
              EngineEnded, NaturalEndOver, StopAsked, LeaseFreed, LastCallDue, StopTimeOver, GuestNotAsked> {
  using Ignores::operator();
  Move operator()(const LaunchAsked&) const { return {Starting{}, {BeginLaunch{}}}; }
  Move operator()(const CommitAsked& commit) const {
    return commit.hung_up ? Move{} : undo_now(nothing_to_commit());
  }
  Move operator()(const UntieAsked&) const { return undo_now(not_running()); }
  Move operator()(const LauncherMistake& mistake) const { return undo_now(mistake.error); }
  Move operator()(const LauncherGone&) const { return undo_now(std::nullopt); }
  Move operator()(const Terminate&) const { return undo_now(terminated()); }
  Move operator()(const MonitorFailed& failed) const { return undo_now(failed.error); }
};

// Once both are there, the launcher is told.
Move started_when_complete(const Starting& state, std::vector<Effect> effects) {
  if (!state.network_ready || !std::holds_alternative<EngineUp>(state.engine)) return {state, effects};
  effects.emplace_back(Record{"started", VmEventKind::kStarted});
  effects.emplace_back(TellStarted{});
  return {AwaitingCommit{state.engine}, effects};
}

struct InStarting : Ignores<Published, NotPublished, NaturalEndOver, StopAsked, LeaseFreed, LastCallDue,
                            StopTimeOver, GuestNotAsked> {
  explicit InStarting(const Starting& now) : state(now) {}
  const Starting& state;
  using Ignores::operator();

  Move operator()(const EngineCloned&) const {
    if (!is_down(state.engine)) return {};
    return {with(state, EngineComingUp{}), {}};
  }
  Move operator()(const EngineReady&) const {
    if (!std::holds_alternative<EngineComingUp>(state.engine)) return {};
    return started_when_complete(with(state, EngineUp{}), {ForbidExecution{}});
  }
  Move operator()(const NetworkAttached& attached) const {
    if (attached.error) return undo(state.engine, Error(*attached.error).in("set up the VM's network"));
    Starting next = state;
    next.network_ready = true;
    return started_when_complete(next, {});
  }
  Move operator()(const HaltLookedAt& look) const {
    if (!look.halted) return stay(Record{"the guest's console says that it has halted, but it runs"});
    return is_down(state.engine) ? Move{} : Move{Undoing{ended_early()}, {KillEngine{}}};
  }
  Move operator()(const EngineEnded& ended) const {
    return is_down(state.engine) ? Move{} : undo_now(with_end(ended_early(), ended.status));
  }
  Move operator()(const EngineFailed& failed) const { return undo(state.engine, failed.error); }
  Move operator()(const LaunchAsked&) const { return undo(state.engine, unknown_launch()); }
  Move operator()(const CommitAsked& commit) const {
    return commit.hung_up ? Move{} : undo(state.engine, nothing_to_commit());
  }
  Move operator()(const UntieAsked&) const { return undo(state.engine, not_running()); }
  Move operator()(const LauncherMistake& mistake) const { return undo(state.engine, mistake.error); }
  Move operator()(const LauncherGone&) const { return undo_unheard(state.engine); }
  Move operator()(const Terminate&) const { return undo(state.engine, terminated()); }
  Move operator()(const MonitorFailed& failed) const { return undo_now(failed.error); }
};

struct InAwaitingCommit : HasEngine<AwaitingCommit>,
                          Ignores<NetworkAttached, NaturalEndOver, StopAsked, LeaseFreed, LastCallDue,
                                  StopTimeOver, GuestNotAsked> {
  explicit InAwaitingCommit(const AwaitingCommit& now) : HasEngine{now} {}
  using HasEngine::operator();
  using Ignores::operator();

  // An engine that reboots or dies meanwhile takes nothing from it: the VM is there, and its end is recorded.
  Move operator()(const CommitAsked& commit) const { return commit.hung_up ? Move{} : stay(Publish{}); }
  Move operator()(const Published&) const { return {Running{state.engine}, {TellCommitted{}}}; }
  Move operator()(const NotPublished& refused) const { return stay(TellError{refused.error}); }
  Move operator()(const LaunchAsked&) const { return stay(TellError{unknown_launch()}); }
  Move operator()(const UntieAsked&) const { return stay(TellError{not_running()}); }
  Move operator()(const LauncherMistake& mistake) const { return stay(TellError{mistake.error}); }
  Move operator()(const LauncherGone&) const { return undo_unheard(state.engine); }
  Move operator()(const Terminate&) const { return undo(state.engine, terminated()); }
  Move operator()(const MonitorFailed& failed) const { return undo_now(failed.error); }
};

// The first failure is the one that is told; what follows from the undo is not. A commit that comes now is
// answered by it: obeyed, it would give a name to what is about to be removed.
struct InUndoing : Ignores<LaunchAsked, CommitAsked, UntieAsked, LauncherMistake, Published, NotPublished,
                           EngineCloned, EngineFailed, NetworkAttached, StopAsked, Terminate, LeaseFreed,
                           LastCallDue, StopTimeOver, GuestNotAsked> {
  explicit InUndoing(const Undoing& now) : state(now) {}
  const Undoing& state;
  using Ignores::operator();

  Move operator()(const EngineReady&) const { return stay(ForbidExecution{}); }
  Move operator()(const HaltLookedAt& look) const {
    if (look.halted) return stay(KillEngine{});
    return stay(Record{"the guest's console says that it has halted, but it runs"});
  }
  Move operator()(const NaturalEndOver&) const { return stay(KillEngine{}); }
  Move operator()(const LauncherGone&) const { return {Undoing{}, {KillEngine{}}}; }
  Move operator()(const EngineEnded& ended) const {
    if (!state.why) return undo_now(std::nullopt);
    return undo_now(with_end(*state.why, ended.status));
  }
  Move operator()(const MonitorFailed& failed) const { return undo_now(failed.error); }
};

struct InEndedUncommitted
    : Ignores<Published, NotPublished, EngineCloned, EngineReady, EngineFailed, NetworkAttached, HaltLookedAt,
              EngineEnded, NaturalEndOver, StopAsked, LeaseFreed, LastCallDue, StopTimeOver, GuestNotAsked> {
  explicit InEndedUncommitted(const EndedUncommitted& now) : state(now) {}
  const EndedUncommitted& state;
  using Ignores::operator();

  Move operator()(const CommitAsked& commit) const {
    return commit.hung_up ? Move{} : stay(RefuseCommit{state.reason});
  }
  Move operator()(const LaunchAsked&) const { return stay(TellError{unknown_launch()}); }
  Move operator()(const UntieAsked&) const { return stay(TellError{not_running()}); }
  Move operator()(const LauncherMistake& mistake) const { return stay(TellError{mistake.error}); }
  Move operator()(const LauncherGone&) const { return undo_now(std::nullopt); }
  Move operator()(const Terminate&) const { return undo_now(terminated()); }
  Move operator()(const MonitorFailed& failed) const { return undo_now(failed.error); }
};

}  // namespace

Move undo(const Engine& engine, const Error& error) {
  if (is_down(engine)) return undo_now(error);
  // An engine that hung up on us ends by itself, so that its exit code can be told.
  if (error.code() == Code::kEngineDied) return {Undoing{error}, {AwaitNaturalEnd{}}};
  return {Undoing{error}, {KillEngine{}}};
}

Move undo_unheard(const Engine& engine) {
  if (is_down(engine)) return undo_now(std::nullopt);
  return {Undoing{}, {KillEngine{}}};
}

Move on(const AwaitingLaunch&, const Event& event) {
  return std::visit(InAwaitingLaunch{}, event);
}

Move on(const Starting& state, const Event& event) {
  return std::visit(InStarting(state), event);
}

Move on(const AwaitingCommit& state, const Event& event) {
  return std::visit(InAwaitingCommit(state), event);
}

Move on(const Undoing& state, const Event& event) {
  return std::visit(InUndoing(state), event);
}

Move on(const EndedUncommitted& state, const Event& event) {
  return std::visit(InEndedUncommitted(state), event);
}

}  // namespace knaller::monitor::life
