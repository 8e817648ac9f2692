// Network devices of the namespace that this process is in: single steps, each an Error that names itself
// when it fails.
#ifndef KNALLER_NET_DEVICE_H_
#define KNALLER_NET_DEVICE_H_

#include <sys/types.h>

#include <string>

#include "knaller/types.h"
#include "net/netlink.h"

namespace knaller::net {

// A persistent TAP that processes of `owner` may attach to without capabilities.
void make_tap(const std::string& name, uid_t owner);

void set_mac(RouteSocket& netlink, const std::string& device, const std::string& mac);
void set_up(RouteSocket& netlink, const std::string& device);
void add_address(RouteSocket& netlink, const std::string& device, const std::string& address, int prefix);

// Asks for a neighbour every 25 ms for a second, instead of every second for three: a guest that has just
// come up is seen at once, and who connects to one that is not there learns it sooner.
void answer_quickly(RouteSocket& netlink, const std::string& device);

// What leaves through the device is shaped to a rate of bytes; per_second 0: as fast as it can. A token
// bucket filter (tbf), so what comes too fast waits for up to half a second, and then is lost.
void limit_rate(RouteSocket& netlink, const std::string& device, const Rate& rate);

}  // namespace knaller::net

#endif  // KNALLER_NET_DEVICE_H_
