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
  watch_ = loop_.watch(fd_, POLLIN, [this](short) { on_readable(); });
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
  if (read_piece() == Piece::kEnd) {
    rest_.reset();
    return watch_.reset();
  }
  if (rest_) return;  // its writer has hung up, which is told without being asked for
  watch_.change_events(0);
  rest_ = loop_.after(kRest, [this] { watch_.change_events(POLLIN); });
}

}  // namespace knaller::monitor
