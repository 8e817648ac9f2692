// Network devices of the namespace that this process is in: single steps, each an Error that names itself
// when it fails.
#ifndef KNALLER_NET_DEVICE_H_
#define KNALLER_NET_DEVICE_H_

#include <sys/types.h>

#include <string>

#include "net/netlink.h"

namespace knaller::net {

// A persistent TAP that processes of `owner` may attach to without capabilities.
void make_tap(const std::string& name, uid_t owner);

int index_of(const std::string& device);

void set_mac(RouteSocket& netlink, const std::string& device, const std::string& mac);
void set_up(RouteSocket& netlink, const std::string& device);
void add_address(RouteSocket& netlink, const std::string& device, const std::string& address, int prefix);

// Known for good, so that it is never asked for.
void add_neighbour(RouteSocket& netlink, const std::string& device, const std::string& address,
                   const std::string& mac);

// Asks for a neighbour every 25 ms for a second, instead of every second for three: a guest that has just
// come up is seen at once, and connecting to one that is not there fails sooner.
void answer_quickly(RouteSocket& netlink, const std::string& device);

}  // namespace knaller::net

#endif  // KNALLER_NET_DEVICE_H_
