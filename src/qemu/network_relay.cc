#include "qemu/network_relay.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"

namespace knaller::qemu {
namespace {

using std::chrono::nanoseconds;

constexpr size_t kLargestFrame = 65536 + 64;
// So that neither direction, nor the API, waits for an endless stream.
constexpr int kFramesAtOnce = 64;

bool has_bucket(const std::optional<firecracker::RateLimiter>& limiter) {
  return limiter && (limiter->bandwidth || limiter->ops);
}

std::array<UniqueFd, 2> make_datagram_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
    fail_errno("make a pair of sockets for a network interface");
  return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

void add_to(int events, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) fail_errno("watch a network interface");
}

void arm(int timer, nanoseconds wait) {
  itimerspec when = {};
  when.it_value.tv_sec = static_cast<time_t>(wait.count() / 1'000'000'000);
  when.it_value.tv_nsec = static_cast<long>(wait.count() % 1'000'000'000);
  if (::timerfd_settime(timer, 0, &when, nullptr) != 0) fail_errno("set a rate limiter's timer");
}

}  // namespace

bool is_relayed(const firecracker::NetworkSetup& network) {
  return has_bucket(network.rx_rate_limiter) || has_bucket(network.tx_rate_limiter);
}

NetworkRelay::NetworkRelay(const firecracker::NetworkSetup& network, UniqueFd tap)
    : tap_(std::move(tap)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      events_(::epoll_create1(EPOLL_CLOEXEC)),
      to_guest_{tap_.get(), -1, Limiter(network.rx_rate_limiter, Limiter::Clock::now()), {}},
      from_guest_{-1, tap_.get(), Limiter(network.tx_rate_limiter, Limiter::Clock::now()), {}} {
  if (!timer_ || !events_) fail_errno("make a network interface's timer");
  auto [ours, theirs] = make_datagram_pair();
  socket_ = std::move(ours);
  qemu_end_ = std::move(theirs);
  to_guest_.to = from_guest_.from = socket_.get();
  for (const int fd : {tap_.get(), socket_.get(), timer_.get()}) add_to(events_.get(), fd);
}

void NetworkRelay::change(const firecracker::NetworkSetup& network) {
  const auto now = Limiter::Clock::now();
  to_guest_.limiter.change(network.rx_rate_limiter, now);
  from_guest_.limiter.change(network.tx_rate_limiter, now);
  on_ready();  // what waited may go on
}

void NetworkRelay::on_ready() {
  uint64_t expirations;
  [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &expirations, sizeof expirations);
  pump(to_guest_);
  pump(from_guest_);
  watch();
}

void NetworkRelay::pump(Lane& lane) {
  static thread_local std::array<char, kLargestFrame> buffer;
  for (int i = 0; i < kFramesAtOnce; ++i) {
    if (!lane.frame.empty() && !deliver(lane)) return;
    const ssize_t size = ::read(lane.from, buffer.data(), buffer.size());
    // Nothing there; or the interface is down, or QEMU gone, which shows elsewhere.
    if (size <= 0) return;
    lane.frame.assign(buffer.data(), static_cast<size_t>(size));
  }
  if (!lane.frame.empty()) deliver(lane);
}

// False: the frame must wait.
bool NetworkRelay::deliver(Lane& lane) {
  if (!lane.paid) {
    lane.wait = lane.limiter.pass(lane.frame.size(), Limiter::Clock::now());
    if (lane.wait > nanoseconds::zero()) return false;
    lane.paid = true;
  }
  const ssize_t sent = ::write(lane.to, lane.frame.data(), lane.frame.size());
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  // Any other refusal (the interface is down) loses the frame, as on a wire.
  lane.frame.clear();
  lane.paid = false;
  return true;
}

void NetworkRelay::watch() {
  watch(tap_.get(), to_guest_, from_guest_);
  watch(socket_.get(), from_guest_, to_guest_);
  nanoseconds wait = nanoseconds::zero();
  for (const Lane* lane : {&to_guest_, &from_guest_}) {
    if (lane->frame.empty() || lane->paid) continue;
    wait = wait == nanoseconds::zero() ? nanoseconds(lane->wait) : std::min(wait, nanoseconds(lane->wait));
  }
  arm(timer_.get(), wait);
}

void NetworkRelay::watch(int fd, const Lane& reads, const Lane& writes) {
  epoll_event event = {};
  event.data.fd = fd;
  if (reads.frame.empty()) event.events |= EPOLLIN;
  if (writes.paid) event.events |= EPOLLOUT;
  if (::epoll_ctl(events_.get(), EPOLL_CTL_MOD, fd, &event) != 0) fail_errno("watch a network interface");
}

}  // namespace knaller::qemu
