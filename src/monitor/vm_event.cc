#include "monitor/vm_event.h"

#include "base/json.h"
#include "base/text.h"

namespace knaller {
inline namespace v0 {

std::string to_string(VmEventKind kind) {
  switch (kind) {
    case VmEventKind::kCreated:
      return "created";
    case VmEventKind::kStarted:
      return "started";
    case VmEventKind::kReady:
      return "ready";
    case VmEventKind::kRebooted:
      return "rebooted";
    case VmEventKind::kPaused:
      return "paused";
    case VmEventKind::kResumed:
      return "resumed";
    case VmEventKind::kChanged:
      return "changed";
    case VmEventKind::kNetworkLost:
      return "network_lost";
    case VmEventKind::kNetworkRestored:
      return "network_restored";
    case VmEventKind::kWarning:
      return "warning";
    case VmEventKind::kStopped:
      return "stopped";
    case VmEventKind::kCrashed:
      return "crashed";
    case VmEventKind::kReplaced:
      return "replaced";
    case VmEventKind::kRemoved:
      return "removed";
    case VmEventKind::kOther:
      break;
  }
  return "other";
}

}  // namespace v0
}  // namespace knaller

namespace knaller::monitor {
namespace {

// What a monitor may have written. That a VM came or went is seen by who looks, and never believed of a file.
bool is_written(VmEventKind kind) {
  switch (kind) {
    case VmEventKind::kStarted:
    case VmEventKind::kReady:
    case VmEventKind::kRebooted:
    case VmEventKind::kPaused:
    case VmEventKind::kResumed:
    case VmEventKind::kChanged:
    case VmEventKind::kNetworkLost:
    case VmEventKind::kNetworkRestored:
    case VmEventKind::kWarning:
    case VmEventKind::kStopped:
    case VmEventKind::kCrashed:
      return true;
    case VmEventKind::kCreated:
    case VmEventKind::kReplaced:
    case VmEventKind::kRemoved:
    case VmEventKind::kOther:
      return false;
  }
  return false;
}

VmEventKind kind_from_word(std::string_view word) {
  for (int number = 0; static_cast<VmEventKind>(number) != VmEventKind::kOther; ++number) {
    const auto kind = static_cast<VmEventKind>(number);
    if (is_written(kind) && to_string(kind) == word) return kind;
  }
  return VmEventKind::kOther;
}

// All that monitors wrote before there were kinds, word for word.
VmEventKind kind_from_text(std::string_view text) {
  if (text == "started") return VmEventKind::kStarted;
  if (text == "the guest rebooted; starting it again") return VmEventKind::kRebooted;
  if (text == "where the guest may connect to was changed") return VmEventKind::kChanged;
  if (text.starts_with("stopped: ")) return VmEventKind::kStopped;
  if (text.starts_with("crashed: ")) return VmEventKind::kCrashed;
  return VmEventKind::kWarning;
}

}  // namespace

std::string event_line(VmEventKind kind, std::string_view text, SystemTime at) {
  return dump_json({{"at", format_time(at)}, {"kind", to_string(kind)}, {"event", text}});
}

std::optional<VmEvent> parse_event_line(std::string_view line) {
  try {
    const Json json = parse_json(line, "the record");
    const JsonReader reader(json, "the record");
    const auto at = parse_time(reader.string("at"));
    if (!at) return std::nullopt;
    VmEvent event{.at = *at, .vm = {}, .kind = VmEventKind::kOther, .text = reader.string("event")};
    event.kind = reader.has("kind") ? kind_from_word(reader.string("kind")) : kind_from_text(event.text);
    return event;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace knaller::monitor
