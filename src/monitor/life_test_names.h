// A word for each state, event and effect of a VM's life, so that tests can put them into a table.
#ifndef KNALLER_MONITOR_LIFE_TEST_NAMES_H_
#define KNALLER_MONITOR_LIFE_TEST_NAMES_H_

#include <fmt/format.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "monitor/life.h"

namespace knaller::monitor::life {

inline const Error kRefused(Code::kEngineRefused, "refused");
inline const Error kDied(Code::kEngineDied, "hung up");
inline const EngineDying kBroken{EngineDying::Cause::kBroken, "broken"};
inline const EngineDying kStoodStill{EngineDying::Cause::kStoodStill, {}};
inline const EngineDying kAsked{EngineDying::Cause::kAsked, "asked"};
inline const EngineDown kDown{{.signaled = false, .value = 0}};

inline std::string show(const Engine& engine) {
  struct Show {
    std::string operator()(const EngineDown&) const { return "down"; }
    std::string operator()(const EngineComingUp&) const { return "coming up"; }
    std::string operator()(const EngineUp&) const { return "up"; }
    std::string operator()(const EngineDying& dying) const {
      switch (dying.cause) {
        case EngineDying::Cause::kBroken:
          return "dying, broken: " + dying.reason;
        case EngineDying::Cause::kStoodStill:
          return "dying, stood still" + dying.reason;
        case EngineDying::Cause::kAsked:
          return "dying, asked: " + dying.reason;
      }
      return "?";
    }
  };
  return std::visit(Show{}, engine);
}

inline std::string show(const State& state) {
  struct Show {
    std::string operator()(const AwaitingLaunch&) const { return "AwaitingLaunch"; }
    std::string operator()(const Starting& now) const {
      return fmt::format("Starting ({}{})", show(now.engine), now.network_ready ? ", network" : "");
    }
    std::string operator()(const AwaitingCommit& now) const {
      return fmt::format("AwaitingCommit ({})", show(now.engine));
    }
    std::string operator()(const Undoing& now) const {
      return fmt::format("Undoing ({})", now.why ? now.why->what() : "unheard");
    }
    std::string operator()(const EndedUncommitted& now) const {
      return fmt::format("EndedUncommitted ({})", now.reason);
    }
    std::string operator()(const Running& now) const { return fmt::format("Running ({})", show(now.engine)); }
    std::string operator()(const Stopping& now) const {
      return fmt::format("Stopping ({}{})", show(now.engine), now.guest_asked ? "; guest asked" : "");
    }
    std::string operator()(const Ended&) const { return "Ended"; }
  };
  return std::visit(Show{}, state);
}

inline std::string show(const Verdict& verdict, const ExitStatus& status) {
  return fmt::format("{}, {}: {}", to_text(verdict.state), status.describe(), verdict.reason);
}

inline std::string show(const Effect& effect) {
  struct Show {
    std::string operator()(const BeginLaunch&) const { return "begin launch"; }
    std::string operator()(const StartAgain&) const { return "start again"; }
    std::string operator()(const ForbidExecution&) const { return "forbid execution"; }
    std::string operator()(const KillEngine&) const { return "kill engine"; }
    std::string operator()(const AwaitNaturalEnd&) const { return "await natural end"; }
    std::string operator()(const Record& record) const { return "record: " + record.what; }
    std::string operator()(const TellStarted&) const { return "tell started"; }
    std::string operator()(const Publish&) const { return "publish"; }
    std::string operator()(const TellCommitted&) const { return "tell committed"; }
    std::string operator()(const TellUntied&) const { return "tell untied"; }
    std::string operator()(const TellError& told) const {
      return fmt::format("tell error: {}", told.error.what());
    }
    std::string operator()(const RefuseCommit& refusal) const { return "refuse commit: " + refusal.reason; }
    std::string operator()(const AskGuest&) const { return "ask guest"; }
    std::string operator()(const AskGuestAgain&) const { return "ask guest again"; }
    std::string operator()(const ArmStop& stop) const {
      return fmt::format("arm stop {} ms", stop.timeout.count());
    }
    std::string operator()(const EndUncommitted& end) const {
      return fmt::format("end uncommitted ({})", show(end.verdict, end.status));
    }
    std::string operator()(const End& end) const {
      return fmt::format("end ({})", show(end.verdict, end.status));
    }
    std::string operator()(const Undo& undo) const {
      return fmt::format("undo ({})", undo.error ? undo.error->what() : "unheard");
    }
    std::string operator()(const LeaveLoop&) const { return "leave loop"; }
  };
  return std::visit(Show{}, effect);
}

// Every state, with every life that its engine can have in it.
inline std::vector<State> all_states() {
  return {AwaitingLaunch{},
          Starting{EngineDown{}},
          Starting{EngineComingUp{}},
          Starting{EngineComingUp{}, true},
          Starting{EngineUp{}},
          AwaitingCommit{kDown},
          AwaitingCommit{EngineComingUp{}},
          AwaitingCommit{EngineUp{}},
          AwaitingCommit{kBroken},
          AwaitingCommit{kStoodStill},
          Undoing{kRefused},
          Undoing{kDied},
          Undoing{},
          EndedUncommitted{"why"},
          Running{kDown},
          Running{EngineComingUp{}},
          Running{EngineUp{}},
          Running{kBroken},
          Running{kStoodStill},
          Stopping{kDown, false},
          Stopping{EngineComingUp{}, true},
          Stopping{EngineUp{}, false},
          Stopping{EngineUp{}, true},
          Stopping{kBroken, true},
          Stopping{kStoodStill, true},
          Stopping{kAsked, true},
          Ended{}};
}

inline EngineEnded rebooted(RebootFacts facts = {}) {
  return {.reboot = facts};
}

// Every event, with all that makes a difference.
inline std::vector<std::pair<std::string, Event>> all_events() {
  using std::chrono::milliseconds;
  ConsoleMarkers off;
  off.poweroff = true;
  ConsoleMarkers panic;
  panic.panic_line = "init died";
  const ExitStatus killed{.signaled = true, .value = SIGKILL};
  return {{"launch", LaunchAsked{}},
          {"commit", CommitAsked{}},
          {"commit, hung up", CommitAsked{.hung_up = true}},
          {"untie", UntieAsked{}},
          {"mistake", LauncherMistake{Error(Code::kUnsupported, "unknown")}},
          {"launcher gone", LauncherGone{}},
          {"launcher gone, tied", LauncherGone{.tied = true}},
          {"published", Published{}},
          {"not published", NotPublished{Error(Code::kAlreadyExists, "taken")}},
          {"cloned", EngineCloned{}},
          {"ready", EngineReady{}},
          {"refused", EngineFailed{kRefused}},
          {"hung up", EngineFailed{kDied}},
          {"network", NetworkAttached{}},
          {"no network", NetworkAttached{Error(Code::kIo, "no pasta")}},
          {"halt: alive", HaltLookedAt{.halted = false}},
          {"halt: halted", HaltLookedAt{.halted = true}},
          {"reboot", rebooted()},
          {"reboot, restored", rebooted({.restored = true})},
          {"reboot, unwanted", rebooted({.restart = false})},
          {"reboot, no kernel", rebooted({.can_boot = false})},
          {"reboot, too often", rebooted({.too_often = true})},
          {"power off", EngineEnded{.markers = off}},
          {"panic", EngineEnded{.markers = panic}},
          {"killed", EngineEnded{.status = killed}},
          {"natural end over", NaturalEndOver{}},
          {"stop", StopAsked{.timeout = milliseconds(600)}},
          {"stop, lease held", StopAsked{.timeout = milliseconds(600), .guest_may_run = false}},
          {"stop, force", StopAsked{.timeout = milliseconds(600), .force = true}},
          {"SIGTERM", Terminate{}},
          {"SIGTERM, lease held", Terminate{.guest_may_run = false}},
          {"lease freed", LeaseFreed{}},
          {"last call due", LastCallDue{}},
          {"stop time over", StopTimeOver{milliseconds(600)}},
          {"guest not asked", GuestNotAsked{Error(Code::kIo, "no answer")}},
          {"monitor failed", MonitorFailed{Error(Code::kExhausted, "no memory")}}};
}

}  // namespace knaller::monitor::life

#endif  // KNALLER_MONITOR_LIFE_TEST_NAMES_H_
