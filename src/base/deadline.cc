#include "base/deadline.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace knaller {
namespace {

// poll(2) on one descriptor (or none, fd < 0) that a stop request wakes through an eventfd.
short poll_with_stop(int fd, short events, const Deadline& deadline) {
  UniqueFd wake;
  if (deadline.stop().stop_possible()) {
    wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) fail_errno("make an eventfd");
  }
  std::stop_callback on_stop(deadline.stop(), [&wake] {
    if (wake) ::eventfd_write(wake.get(), 1);
  });
  while (true) {
    pollfd polled[2] = {{fd, events, 0}, {wake.get(), POLLIN, 0}};
    const int count = ::poll(polled, 2, deadline.poll_timeout());
    if (count < 0 && errno != EINTR) fail_errno("poll");
    if (deadline.stopped()) throw Error(Code::kCancelled, "cancelled");
    if (count > 0 && polled[0].revents != 0) return polled[0].revents;
    if (deadline.expired()) return 0;
  }
}

void wait_for(int fd, short events, const Deadline& deadline, std::string_view what) {
  if (poll_until(fd, events, deadline) == 0) fail(Code::kTimeout, "timed out waiting for {}", what);
}

}  // namespace

Deadline Deadline::never(std::stop_token stop) {
  return Deadline(Clock::time_point::max(), std::move(stop));
}

Deadline Deadline::after_nanoseconds(std::chrono::nanoseconds duration, std::stop_token stop) {
  const auto now = Clock::now();
  if (duration >= Clock::time_point::max() - now) return never(std::move(stop));
  return Deadline(now + duration, std::move(stop));
}

Deadline Deadline::at(Clock::time_point when, std::stop_token stop) {
  return Deadline(when, std::move(stop));
}

int Deadline::poll_timeout() const {
  if (when_ == Clock::time_point::max()) return -1;
  const auto now = Clock::now();
  if (when_ <= now) return 0;  // before the subtraction, which overflows for a time long past
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when_ - now).count();
  return static_cast<int>(std::min<int64_t>(left, 1 << 30));
}

void Deadline::check(std::string_view what) const {
  if (stopped()) fail(Code::kCancelled, "cancelled while waiting for {}", what);
  if (expired()) fail(Code::kTimeout, "timed out waiting for {}", what);
}

short poll_until(int fd, short events, const Deadline& deadline) {
  return poll_with_stop(fd, events, deadline);
}

void wait_readable(int fd, const Deadline& deadline, std::string_view what) {
  wait_for(fd, POLLIN, deadline, what);
}

void wait_writable(int fd, const Deadline& deadline, std::string_view what) {
  wait_for(fd, POLLOUT, deadline, what);
}

void pause_for(std::chrono::microseconds duration, const Deadline& deadline) {
  const Deadline pause = deadline.sooner(duration);
  poll_with_stop(-1, 0, pause);
}

}  // namespace knaller
