#include "cli/raw_terminal.h"

namespace knaller::cli {

RawTerminal::RawTerminal(Context& context, int fd) : context_(context), fd_(fd) {
  is_terminal_ = ::tcgetattr(fd_, &before_) == 0;
  if (!is_terminal_) return;
  // Not drained on this way out: a terminal that stands still would keep the program.
  context_.before_sudden_end([this] { ::tcsetattr(fd_, TCSANOW, &before_); });
  termios raw = before_;
  ::cfmakeraw(&raw);
  active_ = ::tcsetattr(fd_, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (!is_terminal_) return;
  if (active_) ::tcsetattr(fd_, TCSADRAIN, &before_);
  context_.before_sudden_end({});
}

}  // namespace knaller::cli
