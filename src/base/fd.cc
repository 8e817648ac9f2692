#include "base/fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"

namespace knaller {

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  // Linux frees the descriptor even when close() reports EINTR or EIO; what must reach the disk is fsync'd
  // before.
  if (old >= 0) ::close(old);
}

UniqueFd UniqueFd::duplicate() const {
  UniqueFd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
  if (!copy) fail_errno("duplicate descriptor {}", fd_);
  return copy;
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_errno("make a pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::pair<UniqueFd, UniqueFd> make_socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail_errno("make a socket pair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// The signal comes to the thread that writes. It is blocked there and, when it came from here, taken away
// again.
ssize_t write_without_sigpipe(int fd, std::string_view data) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t written = ::write(fd, data.data(), data.size());
  const int saved_errno = errno;
  if (written < 0 && saved_errno == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec at_once = {};
    while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = saved_errno;
  return written;
}

ssize_t write_without_blocking(int fd, std::string_view data) {
  // poll(2) promises that a pipe takes this much (PIPE_BUF) without blocking.
  constexpr size_t kPipeTakes = 4096;
  const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  return write_without_sigpipe(fd, data.substr(0, kPipeTakes));
}

void write_all(int fd, std::string_view data, std::string_view what) {
  while (!data.empty()) {
    ssize_t written = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK) written = write_without_sigpipe(fd, data);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_errno("write to {}", what);
    data.remove_prefix(static_cast<size_t>(written));
  }
}

size_t read_up_to(int fd, void* buffer, size_t size, std::string_view what) {
  size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::read(fd, static_cast<char*>(buffer) + filled, size - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("read from {}", what);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

std::string read_to_end(int fd, size_t limit, std::string_view what) {
  std::string data;
  char buffer[16384];
  while (true) {
    const size_t got = read_up_to(fd, buffer, sizeof buffer, what);
    data.append(buffer, got);
    if (data.size() > limit) fail(Code::kInvalidArgument, "{} is larger than {} bytes", what, limit);
    if (got < sizeof buffer) return data;
  }
}

}  // namespace knaller
