// What the engine's process does from its clone until it executes the engine: it still runs knaller's own
// program, and gives up one thing after the other.
#ifndef KNALLER_MONITOR_ENGINE_CHILD_H_
#define KNALLER_MONITOR_ENGINE_CHILD_H_

#include "monitor/engine_process.h"

namespace knaller::monitor {

// The child's message that its filter is in force; an error's JSON begins otherwise.
inline constexpr char kFiltered = 'f';

// In the child. Waits at the gate for the monitor's word, with the mounts that it can't make itself. An error
// goes through the gate as JSON; the gate's end means that the engine's program was executed.
[[noreturn]] void run_engine_child(const EngineOptions& options, int gate);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ENGINE_CHILD_H_
