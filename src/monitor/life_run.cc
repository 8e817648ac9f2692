// After the commit: the VM has its name.
#include <csignal>

#include "base/text.h"
#include "monitor/life_moves.h"

namespace knaller::monitor::life {
namespace {

using Cause = EngineDying::Cause;

bool listens(const Engine& engine) {
  return !is_down(engine) && !is_dying(engine);
}

// What Running and Stopping have in common.
template <class S>
struct Committed : HasEngine<S> {
  using HasEngine<S>::state;
  using HasEngine<S>::operator();

  Move operator()(const StopAsked& stop) const {
    if (stop.force) return kill("it was ended by force");
    if (const auto* down = std::get_if<EngineDown>(&state.engine))
      return finish(state, {false, EndState::kStopped, "stopped"}, down->last);
    if (is_dying(state.engine)) return {stopping(state.engine), {}};
    Move move{stopping(state.engine), {ArmStop{stop.timeout}}};
    // A VM that somebody takes a snapshot of stays paused until they are done: to resume it would make the
    // snapshot a lie.
    if (stop.guest_may_run && !guest_was_asked()) {
      std::get<Stopping>(*move.to).guest_asked = true;
      move.effects.emplace_back(AskGuest{});
    }
    return move;
  }
  Move operator()(const Terminate& terminate) const {
    return (*this)(
        StopAsked{.timeout = kTerminateTime, .force = false, .guest_may_run = terminate.guest_may_run});
  }
  Move operator()(const LauncherGone& gone) const {
    return gone.tied ? kill("the command that it was tied to has ended") : Move{};
  }
  Move operator()(const LaunchAsked&) const { return stay(TellError{unknown_launch()}); }
  Move operator()(const CommitAsked& commit) const {
    return commit.hung_up ? Move{} : stay(TellError{nothing_to_commit()});
  }
  Move operator()(const UntieAsked&) const { return stay(TellUntied{}); }
  Move operator()(const LauncherMistake& mistake) const { return stay(TellError{mistake.error}); }
  Move operator()(const MonitorFailed& failed) const {
    return {Ended{},
            {End{{false, EndState::kCrashed, failed.error.what()}, {.signaled = true, .value = SIGKILL}}}};
  }

 protected:
  bool guest_was_asked() const {
    if constexpr (std::is_same_v<S, Stopping>) return state.guest_asked;
    return false;
  }
  Stopping stopping(const Engine& engine) const { return {engine, guest_was_asked()}; }
  Move kill(const std::string& reason) const {
    if (const auto* down = std::get_if<EngineDown>(&state.engine))
      return finish(state, {false, EndState::kStopped, reason}, down->last);
    return {stopping(dying(state.engine, Cause::kAsked, reason)), {KillEngine{}}};
  }
};

struct InRunning : Committed<Running>,
                   Ignores<Published, NotPublished, NetworkAttached, NaturalEndOver, LeaseFreed, LastCallDue,
                           StopTimeOver, GuestNotAsked> {
  explicit InRunning(const Running& now) : Committed{{now}} {}
  using Committed::operator();
  using Ignores::operator();
};

struct InStopping : Committed<Stopping>, Ignores<Published, NotPublished, NetworkAttached, NaturalEndOver> {
  explicit InStopping(const Stopping& now) : Committed{{now}} {}
  using Committed::operator();
  using Ignores::operator();

  Move operator()(const LeaseFreed&) const {
    if (state.guest_asked || !listens(state.engine)) return {};
    return {Stopping{state.engine, true}, {AskGuest{}}};
  }
  // A guest that does not hear it was asked before.
  Move operator()(const LastCallDue&) const {
    return state.guest_asked && listens(state.engine) ? stay(AskGuestAgain{}) : Move{};
  }
  Move operator()(const StopTimeOver& over) const {
    if (is_dying(state.engine)) return {};
    return kill(
        fmt::format("the guest did not shut down within {} and was ended", format_duration(over.timeout)));
  }
  Move operator()(const GuestNotAsked& refused) const {
    if (is_dying(state.engine)) return {};
    return kill(
        fmt::format("the guest could not be asked to shut down and was ended: {}", refused.error.what()));
  }
};

// Nothing may undo or record an end a second time; a failure on the way to it only ends the monitor.
struct InEnded
    : Ignores<LaunchAsked, CommitAsked, UntieAsked, LauncherMistake, LauncherGone, Published, NotPublished,
              EngineCloned, EngineReady, EngineFailed, NetworkAttached, HaltLookedAt, EngineEnded,
              NaturalEndOver, StopAsked, Terminate, LeaseFreed, LastCallDue, StopTimeOver, GuestNotAsked> {
  using Ignores::operator();
  Move operator()(const MonitorFailed&) const { return {{}, {LeaveLoop{}}}; }
};

}  // namespace

Move on(const Running& state, const Event& event) {
  return std::visit(InRunning(state), event);
}

Move on(const Stopping& state, const Event& event) {
  return std::visit(InStopping(state), event);
}

Move on(const Ended&, const Event& event) {
  return std::visit(InEnded{}, event);
}

}  // namespace knaller::monitor::life
