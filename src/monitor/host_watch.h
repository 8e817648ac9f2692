// Tells when the host's routes or addresses have changed. On the event loop's thread.
//
// Changes come in bursts (a VPN that comes up, a router with its peers), so they are reported a moment after
// the first. Looking at the routes takes long where there are many; then it happens less often.
#ifndef KNALLER_MONITOR_HOST_WATCH_H_
#define KNALLER_MONITOR_HOST_WATCH_H_

#include <functional>

#include "monitor/loop.h"
#include "net/host.h"
#include "net/netlink.h"

namespace knaller::monitor {

class HostWatch {
 public:
  // `on_change` gets each network that differs from the one before.
  HostWatch(Loop& loop, std::function<void()> on_change);
  HostWatch(const HostWatch&) = delete;
  HostWatch& operator=(const HostWatch&) = delete;

  const net::HostNetwork& network() const { return network_; }
  // Looks at once, without calling `on_change`.
  void look();

 private:
  void on_messages();
  void compare();

  Loop& loop_;
  std::function<void()> on_change_;
  net::RouteSocket changes_;  // before network_: nothing is missed between
  net::HostNetwork network_;
  Loop::Watch watch_;
  Loop::Timer timer_;
  Loop::Clock::duration pause_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_HOST_WATCH_H_
