#include "cli/console_filter.h"

#include "base/characters.h"

namespace knaller::cli {
namespace {

// Longer ones are dropped: no colour needs more.
constexpr size_t kLongestSequence = 32;
constexpr std::string_view kNoCharacter = "\uFFFD";

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
      return take_text(c, out);
    case State::kEscape:
      sequence_.clear();
      if (c == '[') {
        state_ = State::kSequence;
      } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        state_ = State::kString;  // up to BEL or ESC '\\', or the end of the line
      } else if (byte < 0x20 || byte >= 0x7f) {
        state_ = State::kText;
        take_text(c, out);
      } else {
        state_ = byte <= 0x2f ? State::kEscape : State::kText;
      }
      return;
    case State::kSequence:
      return take_sequence(c, out);
    case State::kString:
      if (c == '\x1b') state_ = State::kStringEscape;
      if (c == '\a' || c == '\n') state_ = State::kText;
      if (c == '\n') out += c;
      return;
    case State::kStringEscape:
      state_ = c == '\\' ? State::kText : State::kString;
      return;
  }
}

void ConsoleFilter::take_text(char c, std::string& out) {
  const auto byte = static_cast<unsigned char>(c);
  const bool continues = (byte & 0xc0) == 0x80;
  if (!character_.empty() && !continues) {
    out += kNoCharacter;
    character_.clear();
  }
  if (byte < 0x80) {
    if (c == '\x1b') state_ = State::kEscape;
    if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || !is_control({&c, 1})) out += c;
    return;
  }
  character_ += c;
  const size_t length = utf8_length_by_lead(static_cast<unsigned char>(character_[0]));
  if (character_.size() < length) return;
  if (utf8_length(character_) == 0)
    out += kNoCharacter;
  else if (!is_control(character_))
    out += character_;
  character_.clear();
}

// Within one, terminals obey control characters, and some know other parameters than numbers.
void ConsoleFilter::take_sequence(char c, std::string& out) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x40 && byte <= 0x7e) {
    const bool plain = sequence_.size() <= kLongestSequence &&
                       sequence_.find_first_not_of("0123456789;:") == std::string::npos;
    if (c == 'm' && plain) out += "\x1b[" + sequence_ + "m";
    state_ = State::kText;
  } else if (byte < 0x20 || byte >= 0x7f) {
    state_ = State::kText;
    take_text(c, out);
  } else if (sequence_.size() <= kLongestSequence) {
    sequence_ += c;
  }
}

}  // namespace knaller::cli
