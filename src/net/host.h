// What the host's network looks like, asked over rtnetlink: no program is run and no file parsed.
#ifndef KNALLER_NET_HOST_H_
#define KNALLER_NET_HOST_H_

#include <string>
#include <vector>

namespace knaller::net {

struct HostNetwork {
  bool has_default_route = false;  // IPv4; without one a guest is offline, and the user is told
  // Every IPv4 address that the host takes for its own, as "192.0.2.2" or "192.0.2.0/24": sorted, once each.
  std::vector<std::string> local_networks;
};

// Of the network namespace that this process is in.
HostNetwork inspect_host();

}  // namespace knaller::net

#endif  // KNALLER_NET_HOST_H_
