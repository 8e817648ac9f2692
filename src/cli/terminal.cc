#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace knaller::cli {
namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

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

}  // namespace knaller::cli
