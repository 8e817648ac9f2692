#include "monitor/vm_state.h"

#include "base/enum_text.h"

namespace knaller::monitor {
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
  return enum_from_text<RunState>(text);
}

std::optional<EndState> end_state_from_text(std::string_view text) {
  return enum_from_text<EndState>(text);
}

}  // namespace knaller::monitor
