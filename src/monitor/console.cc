#include "monitor/console.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace knaller::monitor {
namespace {

constexpr size_t kConsoleLineLimit = 512;
constexpr size_t kTailLimit = 16 << 10;
constexpr std::string_view kPanic = "Kernel panic - not syncing";
constexpr std::string_view kCannot = "knaller: cannot ";
constexpr std::string_view kReady = "knaller: ready";

struct Line {
  std::string_view text;
  bool stamped = false;
};

// "[    1.234567] reboot: Power down" -> "reboot: Power down"; also with the caller that CONFIG_PRINTK_CALLER
// adds.
Line without_stamps(std::string_view line) {
  Line result{line};
  while (result.text.starts_with('[')) {
    const size_t end = result.text.find(']');
    if (end == std::string_view::npos || end < 2 ||
        result.text.substr(1, end - 1).find_first_not_of(" .0123456789TC") != std::string_view::npos) {
      break;
    }
    result = {trim(result.text.substr(end + 1)), true};
  }
  return result;
}

bool says_halted(std::string_view text) {
  return text.starts_with("reboot: Power down") || text.starts_with("reboot: System halted");
}

// Whole, for the reason stands at its end.
std::string panic_reason(std::string_view text) {
  text.remove_prefix(kPanic.size());
  if (text.starts_with(':')) text.remove_prefix(1);
  text = trim(text);
  return text.empty() ? "without a reason" : printable(text);
}

void take_back(ConsoleMarkers& markers) {
  markers.halted = false;
  markers.panic_line.clear();
  markers.cannot.clear();
}

}  // namespace

void ConsoleScanner::feed(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find_first_of("\r\n");
    const std::string_view piece = text.substr(0, end);
    if (line_.size() < kConsoleLineLimit) line_.append(piece.substr(0, kConsoleLineLimit - line_.size()));
    if (end == std::string_view::npos) break;
    inspect_line();
    line_.clear();
    text.remove_prefix(end + 1);
  }
  // The one marker that somebody waits for, and that may be all that is ever said.
  if (line_.starts_with(kReady)) markers_.ready = true;
}

void ConsoleScanner::inspect_line() {
  const Line line = without_stamps(line_);
  if (line.text.starts_with(kReady)) markers_.ready = true;
  if (trim(line.text).empty()) return;
  if (!line.stamped) {
    take_back(markers_);
    markers_.poweroff = line.text.starts_with("knaller: poweroff");
    if (line.text.starts_with(kCannot)) markers_.cannot = printable(line.text.substr(kCannot.size()));
  } else if (says_halted(line.text)) {
    markers_.halted = true;
    ++markers_.times_halted;
  } else if (line.text.starts_with("reboot: Restarting system")) {
    take_back(markers_);
  } else if (line.text.starts_with(kPanic) && markers_.panic_line.empty()) {
    markers_.panic_line = panic_reason(line.text);
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
    if (!trimmed.empty()) kept.push_back(printable(trimmed.substr(0, kConsoleLineLimit)));
  }
  std::string result;
  for (auto line = kept.rbegin(); line != kept.rend(); ++line) result += *line + "\n";
  return result;
}

Verdict judge(const EndFacts& facts) {
  if (facts.stop_forced) return {false, EndState::kStopped, facts.killed_for};
  if (facts.out_of_memory) return {false, EndState::kCrashed, "it used more memory than its limit"};
  if (facts.stands_still) return {false, EndState::kStopped, "the guest powered off"};
  if (!facts.killed_for.empty()) return {false, EndState::kCrashed, facts.killed_for};
  // Whatever its console said: a guest's own end, a panic's too, is one that its engine survives.
  if (!facts.status.success()) return {false, EndState::kCrashed, facts.status.sentence("the engine")};
  // The kernel only says that its first process has ended; that one has said why.
  if (!facts.markers.panic_line.empty() && !facts.markers.cannot.empty())
    return {false, EndState::kCrashed, "the guest could not " + facts.markers.cannot};
  if (!facts.markers.panic_line.empty())
    return {false, EndState::kCrashed, "kernel panic: " + facts.markers.panic_line};
  if (facts.markers.halted || facts.markers.poweroff)
    return {false, EndState::kStopped, "the guest powered off"};
  if (facts.stop_asked) return {false, EndState::kStopped, "stopped"};
  // Rebooting is how a guest ends a Firecracker, so an engine that ends well without having been asked was
  // rebooted.
  return {true, EndState::kStopped, "the guest rebooted"};
}

}  // namespace knaller::monitor
