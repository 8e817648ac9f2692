#include "monitor/host_watch.h"

#include <linux/rtnetlink.h>
#include <poll.h>

#include <algorithm>

#include "base/error.h"

namespace knaller::monitor {
namespace {

constexpr Loop::Clock::duration kShortestPause = std::chrono::milliseconds(100);
constexpr Loop::Clock::duration kLongestPause = std::chrono::seconds(60);
constexpr int kPauseOfWork = 20;  // at most a twentieth of the time is spent on looking

}  // namespace

HostWatch::HostWatch(Loop& loop, std::function<void()> on_change)
    : loop_(loop),
      on_change_(std::move(on_change)),
      changes_(RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_IFADDR),
      network_(net::inspect_host()),
      pause_(kShortestPause) {
  watch_ = loop_.watch(changes_.fd(), POLLIN, [this](short) { on_messages(); });
}

void HostWatch::look() {
  const auto began = Loop::Clock::now();
  network_ = net::inspect_host();
  pause_ = std::clamp(kPauseOfWork * (Loop::Clock::now() - began), kShortestPause, kLongestPause);
}

// What they say does not matter, nor whether some were lost.
void HostWatch::on_messages() {
  changes_.discard();
  if (timer_) return;
  timer_ = loop_.after(pause_, [this] { compare(); });
}

void HostWatch::compare() {
  const net::HostNetwork before = network_;
  try {
    look();
  } catch (const Error&) {  // the routes changed while they were read, or no memory: once more
    return on_messages();
  }
  if (network_ != before) on_change_();
}

}  // namespace knaller::monitor
