#include "channel/pump.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace knaller::channel {
namespace {

constexpr size_t kReadAtOnce = 64 << 10;

bool says_later(int error) {
  return error == EAGAIN || error == EINTR;
}

}  // namespace

ssize_t write_to_socket(int fd, std::string_view bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void reset_at_close(int socket) {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void Pump::fill_in(std::span<pollfd, 2> entries) const {
  entries[0] = {is_over() || !waiting_.empty() ? -1 : from_, POLLIN, 0};
  entries[1] = {is_over() || waiting_.empty() ? -1 : to_, POLLOUT, 0};
}

void Pump::move(std::span<const pollfd, 2> polled) {
  if (polled[0].revents != 0) read_some();
  if (polled[1].revents != 0 || polled[0].revents != 0) write_some();
}

void Pump::read_some() {
  char buffer[kReadAtOnce];
  const ssize_t got = ::read(from_, buffer, sizeof buffer);
  if (got < 0 && says_later(errno)) return;
  // EIO is a terminal that hung up: nothing more will come, as at an end of file.
  if (got < 0 && errno != EIO) {
    error_ = errno;
    reading_failed_ = true;
    return;
  }
  if (got > 0) {
    waiting_.assign(buffer, static_cast<size_t>(got));
    return;
  }
  // Nothing waits: only then is anything read.
  has_ended_ = true;
  ::shutdown(to_, SHUT_WR);
}

void Pump::write_some() {
  if (waiting_.empty()) return;
  const ssize_t written = write_(to_, waiting_);
  if (written < 0 && says_later(errno)) return;
  if (written < 0)
    error_ = errno;
  else
    waiting_.erase(0, static_cast<size_t>(written));
}

}  // namespace knaller::channel
