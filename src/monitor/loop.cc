#include "monitor/loop.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"

namespace knaller::monitor {

void Loop::watch(int fd, short events, std::function<void(short)> callback) {
  watches_[fd] = {next_id_++, events, std::make_shared<std::function<void(short)>>(std::move(callback))};
}

void Loop::change_events(int fd, short events) {
  const auto found = watches_.find(fd);
  if (found != watches_.end()) found->second.events = events;
}

void Loop::unwatch(int fd) {
  watches_.erase(fd);
}

Loop::TimerId Loop::at(Clock::time_point when, std::function<void()> callback) {
  const TimerId id = next_id_++;
  timers_[id] = {when, std::move(callback)};
  return id;
}

void Loop::cancel(TimerId& timer) {
  timers_.erase(timer);
  timer = 0;
}

void Loop::run() {
  while (!stopped_) {
    poll_once();
    if (!stopped_) run_timers();
  }
}

int Loop::timeout() const {
  if (timers_.empty()) return -1;
  const auto by_time = [](const auto& a, const auto& b) { return a.second.when < b.second.when; };
  const auto next = std::min_element(timers_.begin(), timers_.end(), by_time)->second.when;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, 1 << 30));
}

void Loop::poll_once() {
  std::vector<pollfd> polled;
  std::vector<uint64_t> ids;
  for (const auto& [fd, watch] : watches_) {
    polled.push_back({fd, watch.events, 0});
    ids.push_back(watch.id);
  }
  if (::poll(polled.data(), polled.size(), timeout()) < 0) {
    if (errno == EINTR) return;
    fail_errno("poll");
  }
  for (size_t i = 0; i < polled.size() && !stopped_; ++i) {
    if (polled[i].revents == 0) continue;
    // An earlier callback may have removed this watch, and even reused the descriptor's number.
    const auto found = watches_.find(polled[i].fd);
    if (found == watches_.end() || found->second.id != ids[i]) continue;
    const auto callback = found->second.callback;
    (*callback)(polled[i].revents);
  }
}

void Loop::run_timers() {
  const auto now = Clock::now();
  std::vector<TimerId> due;
  for (const auto& [id, timer] : timers_) {
    if (timer.when <= now) due.push_back(id);
  }
  for (const TimerId id : due) {
    const auto found = timers_.find(id);
    if (found == timers_.end() || stopped_) continue;
    const auto callback = std::move(found->second.callback);
    timers_.erase(found);
    callback();
  }
}

}  // namespace knaller::monitor
