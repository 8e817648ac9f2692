#include "monitor/life_view.h"

namespace knaller::monitor::life {
namespace {

// It was brought up, and has not failed since.
struct HasComeUp {
  bool operator()(const EngineDown&) const { return false; }
  bool operator()(const EngineComingUp&) const { return false; }
  bool operator()(const EngineUp&) const { return true; }
  bool operator()(const EngineDying& engine) const { return engine.cause != EngineDying::Cause::kBroken; }
};

bool has_come_up(const Engine& engine) {
  return std::visit(HasComeUp{}, engine);
}

Error being_started() {
  return Error(Code::kBusy, "the VM is being started", "try again when its start has ended");
}

struct Refusal {
  Op op;

  std::optional<Error> operator()(const AwaitingLaunch&) const { return uncommitted(); }
  std::optional<Error> operator()(const Starting&) const { return uncommitted(); }
  std::optional<Error> operator()(const AwaitingCommit&) const { return uncommitted(); }
  std::optional<Error> operator()(const Undoing&) const { return uncommitted(); }
  std::optional<Error> operator()(const EndedUncommitted&) const { return uncommitted(); }
  std::optional<Error> operator()(const Ended&) const { return uncommitted(); }
  std::optional<Error> operator()(const Running& state) const {
    if (op != Op::kLease || has_come_up(state.engine)) return std::nullopt;
    return Error(Code::kBusy, "the guest is just booting again");
  }
  std::optional<Error> operator()(const Stopping&) const {
    if (op != Op::kLease && op != Op::kPause) return std::nullopt;
    return Error(Code::kWrongState, "the VM is being stopped");
  }

 private:
  std::optional<Error> uncommitted() const {
    // A clone is entered before it is anybody's: it has to be renewed.
    if (op == Op::kStatus || op == Op::kStats || op == Op::kEnter) return std::nullopt;
    return being_started();
  }
};

struct StandingOf {
  Standing operator()(const AwaitingLaunch&) const { return Standing::kStarting; }
  Standing operator()(const Starting&) const { return Standing::kStarting; }
  Standing operator()(const AwaitingCommit& state) const { return of(state.engine, Standing::kAskTheEngine); }
  Standing operator()(const Undoing&) const { return Standing::kStarting; }
  Standing operator()(const EndedUncommitted&) const { return Standing::kStarting; }
  Standing operator()(const Running& state) const { return of(state.engine, Standing::kAskTheEngine); }
  Standing operator()(const Stopping& state) const { return of(state.engine, Standing::kStopping); }
  Standing operator()(const Ended&) const { return Standing::kStarting; }

 private:
  static Standing of(const Engine& engine, Standing when_up) {
    return has_come_up(engine) ? when_up : Standing::kStarting;
  }
};

struct GuestIsUp {
  bool operator()(const AwaitingLaunch&) const { return false; }
  bool operator()(const Starting& state) const { return is_up(state.engine); }
  bool operator()(const AwaitingCommit& state) const { return is_up(state.engine); }
  bool operator()(const Undoing&) const { return false; }
  bool operator()(const EndedUncommitted&) const { return false; }
  bool operator()(const Running& state) const { return is_up(state.engine); }
  bool operator()(const Stopping& state) const { return is_up(state.engine); }
  bool operator()(const Ended&) const { return false; }

 private:
  static bool is_up(const Engine& engine) { return std::holds_alternative<EngineUp>(engine); }
};

struct ConsoleIsHeard {
  bool operator()(const AwaitingLaunch&) const { return true; }
  bool operator()(const Starting&) const { return true; }
  bool operator()(const AwaitingCommit&) const { return true; }
  bool operator()(const Undoing&) const { return true; }
  bool operator()(const EndedUncommitted&) const { return false; }
  bool operator()(const Running&) const { return false; }
  bool operator()(const Stopping&) const { return false; }
  bool operator()(const Ended&) const { return false; }
};

}  // namespace

std::string_view to_text(Op op) {
  switch (op) {
    case Op::kStatus:
      return "status";
    case Op::kStats:
      return "stats";
    case Op::kWait:
      return "wait";
    case Op::kStop:
      return "stop";
    case Op::kSet:
      return "set";
    case Op::kEnter:
      return "enter";
    case Op::kLease:
      return "lease";
    case Op::kPause:
      return "pause";
    case Op::kResume:
      return "resume";
    case Op::kRelease:
      return "release";
    case Op::kLeavePaused:
      return "leave_paused";
  }
  return {};
}

std::optional<Error> refusal(const State& state, Op op) {
  return std::visit(Refusal{op}, state);
}

Standing standing(const State& state) {
  return std::visit(StandingOf{}, state);
}

bool guest_is_up(const State& state) {
  return std::visit(GuestIsUp{}, state);
}

bool stop_is_asked(const State& state) {
  return std::holds_alternative<Stopping>(state);
}

bool launcher_hears_console(const State& state) {
  return std::visit(ConsoleIsHeard{}, state);
}

bool launcher_hears_phases(const State& state) {
  return std::holds_alternative<Starting>(state);
}

}  // namespace knaller::monitor::life
