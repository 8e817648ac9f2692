// Makes a guest's console safe to show on a terminal: text in UTF-8 and colours pass; sequences that move the
// cursor, set the title, write the clipboard or ask the terminal to answer do not, nor do control characters
// of any kind but new lines, returns, tabs and backspaces. What is not UTF-8 becomes U+FFFD. Keeps its state
// between pieces.
#ifndef KNALLER_CLI_CONSOLE_FILTER_H_
#define KNALLER_CLI_CONSOLE_FILTER_H_

#include <string>
#include <string_view>

namespace knaller::cli {

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

#endif  // KNALLER_CLI_CONSOLE_FILTER_H_
