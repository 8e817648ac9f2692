// What the program's standard streams are and what may be written to them. Reads the environment and the
// streams once; nothing here fails.
#ifndef KNALLER_CLI_TERMINAL_H_
#define KNALLER_CLI_TERMINAL_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace knaller::cli {

struct Stream {
  bool terminal = false;
  bool escapes = false;  // colours and cursor movement: a terminal that is not TERM=dumb, and no NO_COLOR
  bool bar = false;      // a line may be drawn over: such a terminal, and no CI
};

Stream look_at(int fd);
size_t columns_of(int fd);  // 80 when not known

enum class Style { kBold, kRed, kYellow, kGreen, kDim };
// `text`, with the style where `stream` takes escapes.
std::string styled(const Stream& stream, Style style, std::string_view text);

// Columns that `text` takes on a terminal: UTF-8 characters, not bytes.
size_t display_width(std::string_view text);
// Control characters but new lines are made visible: for texts that come from a guest or an engine.
std::string printable_lines(std::string_view text);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_TERMINAL_H_
