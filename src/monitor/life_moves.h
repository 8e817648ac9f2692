// How step() is put together: each state has a visitor that handles events and names those that it passes
// over. Only for life*.cc.
#ifndef KNALLER_MONITOR_LIFE_MOVES_H_
#define KNALLER_MONITOR_LIFE_MOVES_H_

#include <fmt/format.h>

#include "monitor/life.h"

namespace knaller::monitor::life {

struct Move {
  std::optional<State> to;  // nothing: where it was
  std::vector<Effect> effects;
};

// One of these for each state, or step() does not compile.
Move on(const AwaitingLaunch& state, const Event& event);
Move on(const Starting& state, const Event& event);
Move on(const AwaitingCommit& state, const Event& event);
Move on(const Undoing& state, const Event& event);
Move on(const EndedUncommitted& state, const Event& event);
Move on(const Running& state, const Event& event);
Move on(const Stopping& state, const Event& event);
Move on(const Ended& state, const Event& event);

template <class Passed>
struct PassesOver {
  Move operator()(const Passed&) const { return {}; }
};
template <class... Passed>
struct Ignores : PassesOver<Passed>... {
  using PassesOver<Passed>::operator()...;
};

inline Move stay(Effect effect) {
  return {{}, {std::move(effect)}};
}

inline Error unknown_launch() {
  return Error(Code::kUnsupported, "this monitor does not know the launcher's 'launch'");
}
inline Error nothing_to_commit() {
  return Error(Code::kWrongState, "there is nothing to commit");
}
inline Error not_running() {
  return Error(Code::kWrongState, "the VM is not running");
}
inline Error terminated() {
  return Error(Code::kCancelled, "the monitor was asked to terminate");
}
inline Move undo_now(std::optional<Error> error) {
  return {Ended{}, {Undo{std::move(error)}}};
}
// The way back of a start: no engine is left when it ends.
Move undo(const Engine& engine, const Error& error);
Move undo_unheard(const Engine& engine);

// --- what a VM's engine does once the launcher knows that it has started

// The engine is to end for this cause, if not for a stronger one.
EngineDying dying(const Engine& engine, EngineDying::Cause cause, std::string reason = {});
bool is_dying(const Engine& engine);
bool is_down(const Engine& engine);
EndFacts facts_of(const Engine& engine, const EngineEnded& ended, bool stop_asked);
// The verdict on a guest that rebooted; nothing: it is started again.
std::optional<Verdict> against_reboot(const RebootFacts& facts, bool committed);

template <class S>
S with(S state, Engine engine) {
  state.engine = std::move(engine);
  return state;
}

inline Move finish(const AwaitingCommit&, const Verdict& verdict, const ExitStatus& status) {
  return {EndedUncommitted{verdict.reason}, {EndUncommitted{verdict, status}}};
}
template <class Committed>
Move finish(const Committed&, const Verdict& verdict, const ExitStatus& status) {
  return {Ended{}, {End{verdict, status}}};
}

template <class S>
struct HasEngine {
  const S& state;

  Move operator()(const EngineCloned&) const {
    if (!is_down(state.engine)) return {};
    return {with(state, EngineComingUp{}), {}};
  }
  Move operator()(const EngineReady&) const {
    if (!std::holds_alternative<EngineComingUp>(state.engine)) return {};
    return {with(state, EngineUp{}), {ForbidExecution{}}};
  }
  Move operator()(const EngineFailed& failed) const {
    const std::string reason =
        fmt::format("it could not be started again after a reboot: {}", failed.error.what());
    if (const auto* down = std::get_if<EngineDown>(&state.engine))
      return finish(state, {false, EndState::kCrashed, reason}, down->last);
    // What an engine says that was killed is not why it ended.
    if (is_dying(state.engine)) return {};
    return {with(state, dying(state.engine, EngineDying::Cause::kBroken, reason)), {KillEngine{}}};
  }
  Move operator()(const HaltLookedAt& look) const {
    if (!look.halted) return stay(Record{"the guest's console says that it has halted, but it runs"});
    if (is_down(state.engine)) return {};
    return {with(state, dying(state.engine, EngineDying::Cause::kStoodStill)), {KillEngine{}}};
  }
  Move operator()(const EngineEnded& ended) const {
    if (is_down(state.engine)) return {};
    constexpr bool kCommitted = !std::is_same_v<S, AwaitingCommit>;
    const Verdict verdict = judge(facts_of(state.engine, ended, /*stop_asked=*/std::is_same_v<S, Stopping>));
    if (!verdict.reboot) return finish(state, verdict, ended.status);
    if (const auto against = against_reboot(ended.reboot, kCommitted))
      return finish(state, *against, ended.status);
    return {with(state, EngineDown{ended.status}),
            {Record{"the guest rebooted; starting it again", VmEventKind::kRebooted}, StartAgain{}}};
  }
};

}  // namespace knaller::monitor::life

#endif  // KNALLER_MONITOR_LIFE_MOVES_H_
