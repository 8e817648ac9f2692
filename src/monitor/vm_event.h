// A line of a VM's `events.jsonl` (docs/formats/monitor.md): what the monitor writes, and what is made of it
// again. Pure.
//
//   {"at":"2026-11-23T09:26:15.201145921Z","event":"the guest powered off","kind":"stopped"}
#ifndef KNALLER_MONITOR_VM_EVENT_H_
#define KNALLER_MONITOR_VM_EVENT_H_

#include <optional>
#include <string>
#include <string_view>

#include "knaller/watch.h"

namespace knaller::monitor {

// Without a newline. `text` may hold anything.
std::string event_line(VmEventKind kind, std::string_view text, SystemTime at);

// Without the VM's name, which the line does not have. Lines of older monitors have no kind: it is derived
// from their text. Nothing for what is not such a line.
std::optional<VmEvent> parse_event_line(std::string_view line);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_VM_EVENT_H_
