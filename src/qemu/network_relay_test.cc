#include "qemu/network_relay.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/error.h"

namespace knaller::qemu {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

firecracker::RateLimiter frames(uint64_t count, uint64_t per_ms) {
  return {std::nullopt, firecracker::TokenBucket{.size = count, .refill_time_ms = per_ms}};
}

// A relay between a device that is the test's and a QEMU that is the test's.
class RelayTest : public testing::Test {
 protected:
  void make(const firecracker::NetworkSetup& network) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    device_ = UniqueFd(pair[0]);
    relay_.emplace(network, UniqueFd(pair[1]));
    qemu_ = relay_->take_qemu_end();
  }

  // Sends `count` frames as fast as they are taken, and gives how long it took until all were there, each
  // once and in order.
  Clock::duration send(int from, int to, int count) {
    const auto begin = Clock::now();
    const Deadline deadline = Deadline::after(seconds(30));
    int sent = 0;
    for (int arrived = 0; arrived < count;) {
      const std::string frame = "frame " + std::to_string(sent);
      if (sent<count&& ::send(from, frame.data(), frame.size(), MSG_DONTWAIT)> 0) ++sent;
      pollfd polled[2] = {{relay_->event_fd(), POLLIN, 0}, {to, POLLIN, 0}};
      ::poll(polled, 2, sent < count ? 1 : deadline.poll_timeout());
      if (polled[0].revents != 0) relay_->on_ready();
      char buffer[64];
      for (ssize_t size; (size = ::recv(to, buffer, sizeof buffer, MSG_DONTWAIT)) > 0; ++arrived)
        EXPECT_EQ(std::string(buffer, static_cast<size_t>(size)), "frame " + std::to_string(arrived));
      deadline.check("the frames");
    }
    return Clock::now() - begin;
  }
  Clock::duration to_guest(int count) { return send(device_.get(), qemu_.get(), count); }
  Clock::duration from_guest(int count) { return send(qemu_.get(), device_.get(), count); }

  UniqueFd device_;
  UniqueFd qemu_;
  std::optional<NetworkRelay> relay_;
};

TEST_F(RelayTest, CarriesEveryFrameBothWays) {
  make({"eth0", "tap0"});
  to_guest(500);
  from_guest(500);
}

TEST_F(RelayTest, KeepsEachDirectionsLimitAndLosesNothing) {
  make({.id = "eth0", .host_device = "tap0", .rx_rate_limiter = frames(10, 100)});
  EXPECT_GE(to_guest(40), milliseconds(300));
  make({.id = "eth0", .host_device = "tap0", .tx_rate_limiter = frames(10, 100)});
  EXPECT_GE(from_guest(40), milliseconds(300));
}

TEST_F(RelayTest, ALimitThatIsChangedHoldsAtOnceAlsoForWhatWaits) {
  make({.id = "eth0", .host_device = "tap0", .rx_rate_limiter = frames(1, 3'600'000)});
  to_guest(1);
  ASSERT_GT(::send(device_.get(), "late", 4, 0), 0);
  relay_->on_ready();
  char buffer[64];
  EXPECT_LT(::recv(qemu_.get(), buffer, sizeof buffer, MSG_DONTWAIT), 0);
  relay_->change({.id = "eth0", .host_device = "tap0", .rx_rate_limiter = frames(0, 0)});
  EXPECT_EQ(::recv(qemu_.get(), buffer, sizeof buffer, MSG_DONTWAIT), 4);
  to_guest(100);
}

TEST_F(RelayTest, AQemuThatIsGoneHangsNothing) {
  make({.id = "eth0", .host_device = "tap0", .rx_rate_limiter = frames(10, 100)});
  qemu_.reset();
  ASSERT_GT(::send(device_.get(), "frame", 5, 0), 0);
  relay_->on_ready();
}

TEST(IsRelayedTest, OnlyWhatWasConfiguredWithABucket) {
  EXPECT_FALSE(is_relayed({"eth0", "tap0"}));
  EXPECT_FALSE(is_relayed({.id = "eth0", .rx_rate_limiter = firecracker::RateLimiter{}}));
  EXPECT_TRUE(is_relayed({.id = "eth0", .tx_rate_limiter = frames(1, 1)}));
  EXPECT_TRUE(is_relayed({.id = "eth0", .rx_rate_limiter = frames(0, 0)}));  // it may be changed later
}

}  // namespace
}  // namespace knaller::qemu
