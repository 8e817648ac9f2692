// What the program's standard streams are, and how text is made fit for them: styles, columns, and what a
// guest wrote. Reads the environment and the streams once; nothing here fails.
#ifndef KNALLER_CLI_TERMINAL_H_
#define KNALLER_CLI_TERMINAL_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace knaller::cli {

struct Stream {
  bool terminal = false;
  bool escapes = false;  // colours and cursor movement: a terminal that is not TERM=dumb, and no NO_COLOR
  bool bar = false;      // a line may be drawn over: such a terminal, and no CI
};

Stream look_at(int fd);
size_t columns_of(int fd);  // 80 when not known or below 20

enum class Style { kBold, kRed, kYellow, kGreen, kDim };
// `text`, with the style where `stream` takes escapes.
std::string styled(const Stream& stream, Style style, std::string_view text);

// Columns that `text` takes on a terminal: UTF-8 characters, not bytes.
size_t display_width(std::string_view text);
// Control characters but new lines are made visible: for texts that come from a guest or an engine.
std::string printable_lines(std::string_view text);

// Text in columns.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  // As many cells as there are headings.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Every column as wide as its widest cell; columns that are empty in all rows are left out. Cells are made
  // safe for a terminal.
  std::string render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Makes a guest's console safe to show on a terminal: text in UTF-8 and colours pass; sequences that move the
// cursor, set the title, write the clipboard or ask the terminal to answer do not, nor do control characters
// of any kind but new lines, returns, tabs and backspaces. What is not UTF-8 becomes U+FFFD. Keeps its state
// between pieces.
class ConsoleFilter {
 public:
  std::string filter(std::string_view piece);

 private:
  enum class State { kText, kEscape, kSequence, kString, kStringEscape };

  void take(char c, std::string& out);
  void take_text(char c, std::string& out);
  void take_sequence(char c, std::string& out);

  State state_ = State::kText;
  std::string character_;  // what was taken of a character of several bytes
  std::string sequence_;   // what was taken of a "\x1b[…" so far
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_TERMINAL_H_
