#include "base/poller.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace knaller {

Poller::Poller(std::stop_token stop) : stop_(std::move(stop)) {
  if (!stop_.stop_possible()) return;
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) fail_errno("make an eventfd");
  on_stop_.emplace(stop_, [this] { ::eventfd_write(wake_.get(), 1); });
}

int Poller::wait(std::span<pollfd> entries, const Deadline& deadline) {
  polled_.assign(entries.begin(), entries.end());
  polled_.push_back({wake_.get(), POLLIN, 0});
  while (true) {
    const int count = ::poll(polled_.data(), polled_.size(), deadline.poll_timeout());
    if (count < 0 && errno != EINTR) fail_errno("poll");
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "cancelled");
    if (count > 0) break;
    if (deadline.expired()) return 0;
  }
  std::copy(polled_.begin(), polled_.end() - 1, entries.begin());
  return static_cast<int>(
      std::count_if(entries.begin(), entries.end(), [](const pollfd& entry) { return entry.revents != 0; }));
}

}  // namespace knaller
