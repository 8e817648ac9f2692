// What others are told about a VM in each state of its life, and what they may ask of it then. Pure.
#ifndef KNALLER_MONITOR_LIFE_VIEW_H_
#define KNALLER_MONITOR_LIFE_VIEW_H_

#include <optional>
#include <string_view>

#include "monitor/life.h"

namespace knaller::monitor::life {

// The requests of monitor.sock.
enum class Op {
  kStatus,
  kStats,
  kWait,
  kStop,
  kSet,
  kEnter,
  kLease,
  kPause,
  kResume,
  kRelease,
  kLeavePaused
};
std::string_view to_text(Op op);

// Why a request is refused, whatever it asks in detail; nothing: it is served.
std::optional<Error> refusal(const State& state, Op op);

// What `status` says; of a guest that should run, only the engine itself knows whether it is paused.
enum class Standing { kStarting, kStopping, kAskTheEngine };
Standing standing(const State& state);

// The guest is there and may run, so that a halt of it is seen.
bool guest_is_up(const State& state);
bool stop_is_asked(const State& state);
// The launcher shows what comes on the console until it has its VM.
bool launcher_hears_console(const State& state);
// It is told how long each step of the start took.
bool launcher_hears_phases(const State& state);

}  // namespace knaller::monitor::life

#endif  // KNALLER_MONITOR_LIFE_VIEW_H_
