// What the host's network looks like, asked over rtnetlink: no program is run and no file parsed.
#ifndef KNALLER_NET_HOST_H_
#define KNALLER_NET_HOST_H_

#include <cstdint>
#include <vector>

#include "net/prefix.h"

namespace knaller::net {

struct HostNetwork {
  bool has_default_route = false;  // IPv4; without one a guest is offline, and the user gets a warning
  // Every IPv4 address that the host takes for its own. All lists are sorted, without those that another
  // prefix contains.
  std::vector<Prefix> own;
  // Networks that it reaches by other routes than the default one: its links, and what a VPN or an
  // administrator gave it a route to.
  std::vector<Prefix> networks;

  bool operator==(const HostNetwork&) const = default;
};

// A route of the kernel's table, as far as it matters here.
struct HostRoute {
  Prefix destination;
  bool local = false;      // to the host itself, else to somewhere (unicast)
  bool connected = false;  // the kernel made it, for an address of a device
  uint32_t device = 0;     // 0: several, or none that is named
};

// Pure. Some VPNs take over the default route by several that are longer (0.0.0.0/1 and 128.0.0.0/1, or all
// but the private ranges in two dozen pieces). So what leads through one device and makes up a quarter of all
// addresses or more is a default route, and none of its pieces is a network.
HostNetwork summarize(const std::vector<HostRoute>& routes);

// Of the network namespace that this process is in.
HostNetwork inspect_host();

}  // namespace knaller::net

#endif  // KNALLER_NET_HOST_H_
