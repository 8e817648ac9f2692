#include "monitor/console.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace knaller::monitor {
namespace {

constexpr size_t kLineLimit = 512;
constexpr size_t kTailLimit = 16 << 10;
constexpr std::string_view kPanic = "Kernel panic - not syncing";

// "[    1.234567] reboot: Power down" -> "reboot: Power down"; also with the caller that CONFIG_PRINTK_CALLER
// adds.
std::string_view without_stamps(std::string_view line) {
  while (line.starts_with('[')) {
    const size_t end = line.find(']');
    if (end == std::string_view::npos ||
        line.substr(1, end - 1).find_first_not_of(" .0123456789TC") != std::string_view::npos) {
      break;
    }
    line.remove_prefix(end + 1);
    line = trim(line);
  }
  return line;
}

}  // namespace

void ConsoleScanner::feed(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find_first_of("\r\n");
    const std::string_view piece = text.substr(0, end);
    if (line_.size() < kLineLimit) line_.append(piece.substr(0, kLineLimit - line_.size()));
    if (end == std::string_view::npos) break;
    inspect_line(true);
    line_.clear();
    text.remove_prefix(end + 1);
  }
  inspect_line(false);
}

void ConsoleScanner::inspect_line(bool whole) {
  const std::string_view line = without_stamps(line_);
  if (line.starts_with("knaller: ready")) markers_.ready = true;
  if (line.starts_with("knaller: poweroff")) markers_.poweroff = true;
  if (line.starts_with("reboot: Power down") || line.starts_with("reboot: System halted") ||
      line.starts_with("System halted")) {
    markers_.power_down = true;
  }
  // The reason stands behind it, so only the whole line will do.
  if (whole && line.starts_with(kPanic) && !markers_.panic) {
    markers_.panic = true;
    std::string_view reason = line.substr(kPanic.size());
    if (reason.starts_with(':')) reason.remove_prefix(1);
    markers_.panic_line = printable(trim(reason));
  }
}

void Tail::feed(std::string_view text) {
  text_.append(text);
  if (text_.size() > 2 * kTailLimit) text_.erase(0, text_.size() - kTailLimit);
}

std::string Tail::lines(size_t count) const {
  std::vector<std::string> kept;
  const auto all = split(text_, '\n');
  for (auto line = all.rbegin(); line != all.rend() && kept.size() < count; ++line) {
    const std::string_view trimmed = trim(*line);
    if (!trimmed.empty()) kept.push_back(printable(trimmed.substr(0, kLineLimit)));
  }
  std::string result;
  for (auto line = kept.rbegin(); line != kept.rend(); ++line) result += *line + "\n";
  return result;
}

Verdict judge(const EndFacts& facts) {
  if (facts.markers.panic) {
    const std::string& line = facts.markers.panic_line;
    return {false, "crashed", line.empty() ? "kernel panic" : "kernel panic: " + line};
  }
  if (facts.stop_forced) return {false, "stopped", facts.killed_for};
  if (facts.markers.power_down || facts.markers.poweroff) return {false, "stopped", "the guest powered off"};
  if (!facts.killed_for.empty()) return {false, "crashed", facts.killed_for};
  if (facts.stop_asked && facts.status.success()) return {false, "stopped", "stopped"};
  if (!facts.status.success()) return {false, "crashed", facts.status.sentence("the engine")};
  // Rebooting is how a guest ends a Firecracker, so an engine that ends well without having been asked was
  // rebooted.
  return {true, "stopped", "the guest rebooted"};
}

}  // namespace knaller::monitor
