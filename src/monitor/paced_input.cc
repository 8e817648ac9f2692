#include "monitor/paced_input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace knaller::monitor {
namespace {

constexpr std::chrono::milliseconds kRest{2};
constexpr int kMostPiecesLeft = 128;

}  // namespace

PacedInput::PacedInput(Loop& loop, int fd, std::function<void(std::string_view)> take)
    : loop_(loop), fd_(fd), take_(std::move(take)) {
  loop_.watch(fd_, POLLIN, [this](short) { on_readable(); });
}

PacedInput::~PacedInput() {
  unwatch();
}

void PacedInput::drain() {
  for (int pieces = 0; pieces < kMostPiecesLeft && read_piece() == Piece::kTaken; ++pieces) {
  }
}

PacedInput::Piece PacedInput::read_piece() {
  char buffer[16384];
  const ssize_t got = ::read(fd_, buffer, sizeof buffer);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Piece::kNone : Piece::kEnd;
  if (got == 0) return Piece::kEnd;
  take_({buffer, static_cast<size_t>(got)});
  return Piece::kTaken;
}

void PacedInput::on_readable() {
  if (read_piece() == Piece::kEnd) return unwatch();
  if (rest_ != 0) return;  // its writer has hung up, which is told without being asked for
  loop_.change_events(fd_, 0);
  rest_ = loop_.after(kRest, [this] {
    rest_ = 0;
    loop_.change_events(fd_, POLLIN);
  });
}

void PacedInput::unwatch() {
  loop_.cancel(rest_);
  if (std::exchange(watched_, false)) loop_.unwatch(fd_);
}

}  // namespace knaller::monitor
