// A terminal in raw mode, so that every key reaches the guest.
#ifndef KNALLER_CLI_RAW_TERMINAL_H_
#define KNALLER_CLI_RAW_TERMINAL_H_

#include <termios.h>

#include "cli/context.h"

namespace knaller::cli {

// The destructor puts it back, and so does the Context when it ends the program at once. Where `fd` is not
// a terminal, nothing is done.
class RawTerminal {
 public:
  RawTerminal(Context& context, int fd);
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  Context& context_;
  int fd_;
  bool is_terminal_ = false;
  bool active_ = false;
  termios before_{};
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_RAW_TERMINAL_H_
