#include "cli/console_filter.h"

namespace knaller::cli {
namespace {

// Longer ones are dropped: no colour needs more.
constexpr size_t kLongestSequence = 32;

}  // namespace

std::string ConsoleFilter::filter(std::string_view piece) {
  std::string out;
  out.reserve(piece.size());
  for (const char c : piece) take(c, out);
  return out;
}

void ConsoleFilter::take(char c, std::string& out) {
  const auto byte = static_cast<unsigned char>(c);
  switch (state_) {
    case State::kText:
      if (c == '\x1b') {
        state_ = State::kEscape;
      } else if (byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\r' || c == '\t' || c == '\b') {
        out += c;
      }
      return;
    case State::kEscape:
      sequence_.clear();
      if (c == '[') {
        state_ = State::kSequence;
      } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        state_ = State::kString;  // up to BEL or ESC '\'
      } else {
        state_ = byte >= 0x20 && byte <= 0x2f ? State::kEscape : State::kText;
      }
      return;
    case State::kSequence:
      if (byte >= 0x40 && byte <= 0x7e) {
        if (c == 'm' && sequence_.size() <= kLongestSequence) out += "\x1b[" + sequence_ + "m";
        state_ = State::kText;
      } else if (c == '\x1b') {
        state_ = State::kEscape;
      } else if (sequence_.size() <= kLongestSequence) {
        sequence_ += c;
      }
      return;
    case State::kString:
      if (c == '\a') state_ = State::kText;
      if (c == '\x1b') state_ = State::kStringEscape;
      return;
    case State::kStringEscape:
      state_ = c == '\\' ? State::kText : State::kString;
      return;
  }
}

}  // namespace knaller::cli
