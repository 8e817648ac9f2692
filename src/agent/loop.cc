#include "agent/loop.h"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace knaller::agent {
namespace {

constexpr int kMostAtOnce = 64;

int64_t now_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

epoll_event event_of(int fd, uint32_t events, uint32_t number) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{number} << 32 | static_cast<uint32_t>(fd);
  return event;
}

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Loop::~Loop() {
  close(epoll_);
}

bool Loop::watch(int fd, uint32_t events, Handler handler) {
  const uint32_t number = next_number_++;
  epoll_event event = event_of(fd, events, number);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watches_[fd] = {number, std::make_shared<Handler>(std::move(handler))};
  return true;
}

void Loop::change(int fd, uint32_t events) {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  epoll_event event = event_of(fd, events, found->second.number);
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Loop::forget(int fd) {
  if (watches_.erase(fd) != 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::after(int milliseconds, std::function<void()> handler) {
  timers_.emplace(now_milliseconds() + milliseconds, std::move(handler));
}

void Loop::call_due_timers() {
  while (!timers_.empty() && timers_.begin()->first <= now_milliseconds()) {
    const std::function<void()> handler = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    handler();
  }
}

int Loop::milliseconds_until_next() const {
  if (timers_.empty()) return -1;
  return static_cast<int>(std::clamp<int64_t>(timers_.begin()->first - now_milliseconds(), 0, 60'000));
}

void Loop::run() {
  while (!stopped_) {
    epoll_event events[kMostAtOnce];
    const int count = epoll_wait(epoll_, events, kMostAtOnce, milliseconds_until_next());
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      const auto found = watches_.find(static_cast<int>(events[i].data.u64 & 0xffffffff));
      if (found == watches_.end() || found->second.number != events[i].data.u64 >> 32) continue;
      const std::shared_ptr<Handler> handler = found->second.handler;
      (*handler)(events[i].events);
    }
    call_due_timers();
  }
}

}  // namespace knaller::agent
