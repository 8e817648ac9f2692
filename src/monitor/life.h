// A VM's life as its monitor leads it: the states, the events, and step(), which says for each pair of them
// what the next state is and what is to be done. Pure: no clock, no descriptor, no process. Monitor carries
// out the effects, and reports what comes of them as further events.
//
// A state that says nothing about an event does not compile: it names what it ignores (life_moves.h).
//
// clang-format off
//
//   AwaitingLaunch ──> Starting ──> AwaitingCommit ──> Running ──> Stopping
//         │             │  │            │     │           │           │
//         │             │  └─> Undoing <┘     v           │           │
//         │             │         │    EndedUncommitted   │           │
//         v             v         v           v           v           v
//   ───────────────────────────────── Ended ────────────────────────────────
//
//   from               to                 when
//   AwaitingLaunch     Starting           the launcher asks for a VM
//   Starting           AwaitingCommit     the engine has answered all requests, and the network is there
//   AwaitingCommit     Running            the launcher commits, and the directory has got its name
//   AwaitingCommit     EndedUncommitted   the guest has ended; the launcher decides what that means
//   Starting, Await…   Undoing            a step fails, SIGTERM, the launcher goes: the engine is to end first
//   Running            Stopping           stop, SIGTERM, or the command that it is tied to goes
//   any                Ended              no engine is left, or the monitor itself has failed
//
//   state              directory          what there is, and ends with the state
//   AwaitingLaunch     none               the launcher's connection
//   Starting           staged             an engine that comes up, its network
//   AwaitingCommit     staged             the engine and its guest, which may reboot
//   Undoing            staged             an engine that was killed, or has a moment to end by itself
//   EndedUncommitted   staged             nothing but the launcher's connection
//   Running            has its name       the engine and its guest, which may reboot; leases, waiters
//   Stopping           has its name       the same, and the clocks of the stop
//   Ended              free               nothing; the loop is left
//
// The engine has a smaller life of its own in Starting, AwaitingCommit, Running and Stopping. How an engine ends
// that was killed decides nothing: the cause that it was killed for does.
//
//   Down ──cloned──> ComingUp ──requests answered──> Up ──killed for a cause──> Dying
//    ^                   │                           │
//    └───the guest reboots, and is started again─────┘      any other end of an engine is the VM's
//
// clang-format on
#ifndef KNALLER_MONITOR_LIFE_H_
#define KNALLER_MONITOR_LIFE_H_

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/process.h"
#include "knaller/watch.h"
#include "monitor/console.h"

namespace knaller::monitor::life {

// --- the engine

struct EngineDown {
  ExitStatus last;  // how the one before it ended
};
struct EngineComingUp {};
struct EngineUp {};
struct EngineDying {
  // In rising order: a VM that somebody wanted to end was stopped, whatever else is the matter with it.
  enum class Cause { kBroken, kStoodStill, kAsked };
  Cause cause = Cause::kAsked;
  std::string reason;  // none for kStoodStill
};
using Engine = std::variant<EngineDown, EngineComingUp, EngineUp, EngineDying>;

// --- the states

struct AwaitingLaunch {};
struct Starting {
  Engine engine;
  bool network_ready = false;
};
struct AwaitingCommit {
  Engine engine;
};
struct Undoing {
  std::optional<Error> why;  // nothing: the launcher has gone, and nobody is left to tell
};
struct EndedUncommitted {
  std::string reason;
};
struct Running {
  Engine engine;
};
struct Stopping {
  Engine engine;
  bool guest_asked = false;  // not while somebody holds the lease
};
struct Ended {};

using State = std::variant<AwaitingLaunch, Starting, AwaitingCommit, Undoing, EndedUncommitted, Running,
                           Stopping, Ended>;

// --- the events

// Of the launcher
struct LaunchAsked {};
struct CommitAsked {
  bool hung_up = false;  // it waits no more for the answer
};
struct UntieAsked {};
struct LauncherMistake {
  Error error;
};
struct LauncherGone {
  bool tied = false;
};
// What came of Publish
struct Published {};
struct NotPublished {
  Error error;
};

// Of the engine
struct EngineCloned {};
struct EngineReady {};  // it has answered all that it was to be asked at the start
struct EngineFailed {
  Error error;
};
struct NetworkAttached {
  std::optional<Error> error;
};
struct HaltLookedAt {
  bool halted = false;  // the guest's processors stand still for good
};
struct RebootFacts {
  bool restored = false;  // the guest came from a snapshot
  bool restart = true;    // what the user wants at a reboot
  bool can_boot = true;   // there is a kernel to boot again
  bool too_often = false;
};
struct EngineEnded {
  ExitStatus status;
  ConsoleMarkers markers;
  RebootFacts reboot;
  bool out_of_memory = false;  // of its control group
};
struct NaturalEndOver {};  // the time that an engine had to end by itself

// Of the end
struct StopAsked {
  std::chrono::milliseconds timeout{};
  bool force = false;
  bool guest_may_run = true;  // nobody holds the lease
};
struct Terminate {
  bool guest_may_run = true;
};
struct LeaseFreed {};
struct LastCallDue {};
struct StopTimeOver {
  std::chrono::milliseconds timeout{};
};
struct GuestNotAsked {
  Error error;
};
struct MonitorFailed {
  Error error;
};

using Event = std::variant<LaunchAsked, CommitAsked, UntieAsked, LauncherMistake, LauncherGone, Published,
                           NotPublished, EngineCloned, EngineReady, EngineFailed, NetworkAttached,
                           HaltLookedAt, EngineEnded, NaturalEndOver, StopAsked, Terminate, LeaseFreed,
                           LastCallDue, StopTimeOver, GuestNotAsked, MonitorFailed>;

// --- the effects

struct BeginLaunch {};  // then EngineCloned, and EngineReady and NetworkAttached, or EngineFailed
struct StartAgain {};   // the same, after a reboot
struct ForbidExecution {};
struct KillEngine {};  // then EngineEnded
struct AwaitNaturalEnd {};
struct Record {
  std::string what;  // for events.jsonl
  VmEventKind kind = VmEventKind::kWarning;
};

struct TellStarted {};
struct Publish {};  // then Published or NotPublished
struct TellCommitted {};
struct TellUntied {};
struct TellError {
  Error error;
};
struct RefuseCommit {
  std::string reason;  // how the VM has ended
};

struct AskGuest {};  // then GuestNotAsked, perhaps
struct AskGuestAgain {};
struct ArmStop {
  std::chrono::milliseconds timeout{};  // then LastCallDue and StopTimeOver
};

// Each of these lets go of everything that served the VM.
struct EndUncommitted {
  Verdict verdict;
  ExitStatus status;
};
struct End {
  Verdict verdict;
  ExitStatus status;
};
struct Undo {
  std::optional<Error> error;
};
struct LeaveLoop {};

using Effect = std::variant<BeginLaunch, StartAgain, ForbidExecution, KillEngine, AwaitNaturalEnd, Record,
                            TellStarted, Publish, TellCommitted, TellUntied, TellError, RefuseCommit,
                            AskGuest, AskGuestAgain, ArmStop, EndUncommitted, End, Undo, LeaveLoop>;

struct Transition {
  State next;
  std::vector<Effect> effects;  // in this order
};
Transition step(const State& state, const Event& event);

inline constexpr int kMostRebootsPerMinute = 3;
inline constexpr std::chrono::seconds kTerminateTime{10};

}  // namespace knaller::monitor::life

#endif  // KNALLER_MONITOR_LIFE_H_
