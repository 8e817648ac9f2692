// How fast a VM's network is: shaped by devices of its namespace, which an engine without capabilities can't
// change, whatever its guest has made of it.
//
// In the VM's namespaces, with CAP_NET_ADMIN. Failures are Error; kUnsupported where the kernel can't do it.
#ifndef KNALLER_NET_BANDWIDTH_H_
#define KNALLER_NET_BANDWIDTH_H_

#include <string>

#include "net/netlink.h"
#include "net/plan.h"

namespace knaller::net {

// Limits what goes to the guest and what comes from it, changes the limit, or lifts it. Its TAP must exist.
void limit_bandwidth(const Plan& plan);

// What leaves through the device is shaped to a rate of bytes; per_second 0: as fast as it can. A token
// bucket filter (tbf): what comes too fast waits in a queue for half a second's bytes, or for 256 KiB if that
// is more; what doesn't fit is lost.
void limit_rate(RouteSocket& netlink, const std::string& device, const Rate& rate);

}  // namespace knaller::net

#endif  // KNALLER_NET_BANDWIDTH_H_
