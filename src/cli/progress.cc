#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"

namespace knaller::cli {
namespace {

constexpr auto kRedrawAfter = std::chrono::milliseconds(80);

// At most `columns` characters of it; cuts between characters.
std::string shortened(const std::string& text, size_t columns) {
  size_t width = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts_character && width++ == columns) return text.substr(0, at);
  }
  return text;
}

}  // namespace

std::string progress_text(uint64_t done, uint64_t total, std::chrono::duration<double> elapsed) {
  std::string text;
  if (total != 0) {
    constexpr size_t kCells = 16;
    const auto share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const auto filled = static_cast<size_t>(share * static_cast<double>(kCells));
    text = fmt::format("[{}{}]  {} of {}", std::string(filled, '#'), std::string(kCells - filled, '.'),
                       format_bytes(done), format_bytes(total));
  } else {
    text = format_bytes(done);
  }
  if (elapsed.count() > 0.2 && done > 0)
    text += fmt::format("  {}/s",
                        format_bytes(static_cast<uint64_t>(static_cast<double>(done) / elapsed.count())));
  return text;
}

void Progress::on_event(const Event& event) {
  const std::lock_guard lock(mutex_);
  switch (event.kind) {
    case EventKind::kStep:
      return step(event.text);
    case EventKind::kProgress:
      return progress(event.done, event.total);
    case EventKind::kConsole:
      if (!verbose_ || output_.quiet() || output_.json()) return;
      end_line();
      return output_.draw(output_.err().terminal ? console_.filter(event.text) : event.text);
    case EventKind::kNote:
      end_line();
      return output_.note(printable(event.text));
    case EventKind::kTiming:
      timings_.emplace_back(event.text, event.duration);
      return;
  }
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  end_line();
}

void Progress::step(const std::string& text) {
  end_line();
  step_ = printable(text);
  step_began_ = Clock::now();
  if (output_.json() || output_.quiet()) return;
  if (output_.err().bar) {
    draw_line(step_);
  } else {
    output_.note(step_);
  }
}

void Progress::progress(uint64_t done, uint64_t total) {
  if (output_.json() || output_.quiet() || !output_.err().bar) return;
  const auto now = Clock::now();
  if (now - drawn_at_ < kRedrawAfter && (total == 0 || done < total)) return;
  // Of a line that is too long, the numbers stay.
  const std::string numbers = "  " + progress_text(done, total, now - step_began_);
  const size_t room = columns_of(STDERR_FILENO) - 1;
  draw_line(shortened(step_, room - std::min(room, numbers.size())) + numbers);
}

// Without escape sequences the rest of a longer line is overwritten with spaces.
void Progress::draw_line(const std::string& line) {
  const std::string shown = shortened(line, columns_of(STDERR_FILENO) - 1);
  const size_t width = display_width(shown);
  const std::string rest =
      output_.err().escapes ? "\x1b[K" : std::string(drawn_width_ > width ? drawn_width_ - width : 0, ' ');
  output_.draw("\r" + shown + rest);
  drawn_width_ = width;
  drawn_at_ = Clock::now();
}

void Progress::end_line() {
  if (drawn_width_ == 0) return;
  output_.draw("\n");
  drawn_width_ = 0;
}

}  // namespace knaller::cli
