#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/characters.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// Longer ones are dropped: no colour needs more.
constexpr size_t kLongestSequence = 32;
constexpr std::string_view kNoCharacter = "\uFFFD";

}  // namespace

Stream look_at(int fd) {
  const char* term = std::getenv("TERM");
  Stream stream;
  stream.terminal = ::isatty(fd) == 1;
  const bool capable = stream.terminal && term != nullptr && std::string_view(term) != "dumb";
  stream.escapes = capable && !is_set("NO_COLOR");
  stream.bar = capable && !is_set("CI");
  return stream;
}

size_t columns_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

std::string styled(const Stream& stream, Style style, std::string_view text) {
  if (!stream.escapes) return std::string(text);
  const char* code = "1";
  switch (style) {
    case Style::kBold:
      break;
    case Style::kRed:
      code = "31";
      break;
    case Style::kYellow:
      code = "33";
      break;
    case Style::kGreen:
      code = "32";
      break;
    case Style::kDim:
      code = "2";
      break;
  }
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (const std::string_view line : split(text, '\n')) out += printable(line) + '\n';
  if (!out.empty()) out.pop_back();
  return out;
}

std::string Table::render() const {
  const size_t columns = rows_.front().size();
  std::vector<size_t> widths(columns, 0);
  for (size_t column = 0; column < columns; ++column) {
    const bool used =
        rows_.size() == 1 || std::any_of(rows_.begin() + 1, rows_.end(),
                                         [column](const auto& row) { return !row[column].empty(); });
    if (!used) continue;
    for (const auto& row : rows_)
      widths[column] = std::max(widths[column], display_width(printable(row[column])));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t column = 0; column < columns; ++column) {
      if (widths[column] == 0) continue;
      const std::string cell = printable(row[column]);
      line += cell + std::string(widths[column] - display_width(cell) + 3, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

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
      if (c != '\\') take(c, out);
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
