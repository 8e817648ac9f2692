#include "monitor/handover_words.h"

namespace knaller::monitor {

std::string_view to_text(LauncherOp op) {
  switch (op) {
    case LauncherOp::kLaunch:
      return "launch";
    case LauncherOp::kCommit:
      return "commit";
    case LauncherOp::kUntie:
      return "untie";
  }
  return {};
}

std::string_view to_text(HandoverEvent event) {
  switch (event) {
    case HandoverEvent::kPhase:
      return "phase";
    case HandoverEvent::kConsole:
      return "console";
    case HandoverEvent::kReady:
      return "ready";
    case HandoverEvent::kReboot:
      return "reboot";
    case HandoverEvent::kNote:
      return "note";
    case HandoverEvent::kStarted:
      return "started";
    case HandoverEvent::kCommitted:
      return "committed";
    case HandoverEvent::kUntied:
      return "untied";
    case HandoverEvent::kEnded:
      return "ended";
    case HandoverEvent::kError:
      return "error";
  }
  return {};
}

}  // namespace knaller::monitor
