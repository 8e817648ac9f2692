#include "monitor/vm_state.h"

namespace knaller::monitor {
namespace {

constexpr RunState kRunStates[] = {RunState::kStarting, RunState::kRunning, RunState::kPaused,
                                   RunState::kStuck, RunState::kStopping};
constexpr EndState kEndStates[] = {EndState::kStopped, EndState::kCrashed};

}  // namespace

// A new state has its text here, and is added above.
std::string_view to_text(RunState state) {
  switch (state) {
    case RunState::kStarting:
      return "starting";
    case RunState::kRunning:
      return "running";
    case RunState::kPaused:
      return "paused";
    case RunState::kStuck:
      return "stuck";
    case RunState::kStopping:
      return "stopping";
  }
  return {};
}

std::string_view to_text(EndState state) {
  switch (state) {
    case EndState::kStopped:
      return "stopped";
    case EndState::kCrashed:
      return "crashed";
  }
  return {};
}

std::optional<RunState> run_state_from_text(std::string_view text) {
  for (const RunState state : kRunStates)
    if (to_text(state) == text) return state;
  return std::nullopt;
}

std::optional<EndState> end_state_from_text(std::string_view text) {
  for (const EndState state : kEndStates)
    if (to_text(state) == text) return state;
  return std::nullopt;
}

}  // namespace knaller::monitor
