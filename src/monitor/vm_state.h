// The states that a monitor reports: over its socket, that of a VM that has not ended; in exit.json, that in
// which one ended. Their texts are part of both formats (docs/formats/monitor.md). Pure.
#ifndef KNALLER_MONITOR_VM_STATE_H_
#define KNALLER_MONITOR_VM_STATE_H_

#include <optional>
#include <string_view>

namespace knaller::monitor {

enum class RunState {
  kStarting,  // its engine does not run its guest yet, or again
  kRunning,
  kPaused,
  kStuck,     // its engine does not answer
  kStopping,  // it was asked to, and runs until it has ended
};

enum class EndState { kStopped, kCrashed };

std::string_view to_text(RunState state);
std::string_view to_text(EndState state);
// Nothing for a text that is not one of these.
std::optional<RunState> run_state_from_text(std::string_view text);
std::optional<EndState> end_state_from_text(std::string_view text);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_VM_STATE_H_
