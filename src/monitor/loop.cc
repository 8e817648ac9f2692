#include "monitor/loop.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"

namespace knaller::monitor {

Loop::Watch& Loop::Watch::operator=(Watch&& other) noexcept {
  std::swap(loop_, other.loop_);
  std::swap(id_, other.id_);
  other.reset();
  return *this;
}

void Loop::Watch::reset() {
  if (Loop* const loop = std::exchange(loop_, nullptr)) loop->watches_.erase(id_);
}

void Loop::Watch::change_events(short events) {
  if (loop_ != nullptr) loop_->watches_.at(id_).events = events;
}

Loop::Timer& Loop::Timer::operator=(Timer&& other) noexcept {
  std::swap(loop_, other.loop_);
  std::swap(id_, other.id_);
  other.reset();
  return *this;
}

void Loop::Timer::reset() {
  if (Loop* const loop = std::exchange(loop_, nullptr)) loop->timers_.erase(id_);
}

Loop::Timer::operator bool() const {
  return loop_ != nullptr && loop_->timers_.contains(id_);
}

Loop::Watch Loop::watch(int fd, short events, std::function<void(short)> callback) {
  const uint64_t id = next_id_++;
  watches_[id] = {fd, events, std::make_shared<std::function<void(short)>>(std::move(callback))};
  return Watch(this, id);
}

Loop::Timer Loop::at(Clock::time_point when, std::function<void()> callback) {
  const uint64_t id = next_id_++;
  timers_[id] = {when, std::move(callback)};
  return Timer(this, id);
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
  return Deadline::at(std::min_element(timers_.begin(), timers_.end(), by_time)->second.when).poll_timeout();
}

void Loop::poll_once() {
  std::vector<pollfd> polled;
  std::vector<uint64_t> ids;
  for (const auto& [id, watch] : watches_) {
    polled.push_back({watch.fd, watch.events, 0});
    ids.push_back(id);
  }
  if (::poll(polled.data(), polled.size(), timeout()) < 0) {
    if (errno == EINTR) return;
    fail_errno("poll");
  }
  for (size_t i = 0; i < polled.size() && !stopped_; ++i) {
    if (polled[i].revents == 0) continue;
    // An earlier callback may have ended this watch, and even reused the descriptor's number.
    const auto found = watches_.find(ids[i]);
    if (found == watches_.end()) continue;
    const auto callback = found->second.callback;
    (*callback)(polled[i].revents);
  }
}

void Loop::run_timers() {
  const auto now = Clock::now();
  std::vector<uint64_t> due;
  for (const auto& [id, timer] : timers_) {
    if (timer.when <= now) due.push_back(id);
  }
  for (const uint64_t id : due) {
    const auto found = timers_.find(id);
    if (found == timers_.end() || stopped_) continue;
    const auto callback = std::move(found->second.callback);
    timers_.erase(found);
    callback();
  }
}

}  // namespace knaller::monitor
