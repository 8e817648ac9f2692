// The words between a monitor and whoever starts it (docs/formats/monitor.md). Pure.
#ifndef KNALLER_MONITOR_HANDOVER_WORDS_H_
#define KNALLER_MONITOR_HANDOVER_WORDS_H_

#include <string_view>

namespace knaller::monitor {

// What the launcher asks for: `op`.
enum class LauncherOp { kLaunch, kCommit, kUntie };

// What the monitor tells: `event`.
enum class HandoverEvent {
  kPhase,
  kConsole,
  kReady,
  kReboot,
  kNote,
  kStarted,
  kCommitted,
  kUntied,
  kEnded,
  kError
};

std::string_view to_text(LauncherOp op);
std::string_view to_text(HandoverEvent event);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_HANDOVER_WORDS_H_
