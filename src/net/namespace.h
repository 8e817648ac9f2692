// Makes the network of a VM inside the engine's new network namespace.
//
// Called in the cloned child, before it gives up its capabilities: what is made here (a persistent TAP that
// belongs to `tap_owner`, addresses, rules) stays with the namespace, and the engine attaches to the TAP
// without any capability. The child does it and not the monitor, because libnftables would add 0.25 MB to
// every monitor's private memory.
#ifndef KNALLER_NET_NAMESPACE_H_
#define KNALLER_NET_NAMESPACE_H_

#include <sys/types.h>

#include "net/host.h"
#include "net/plan.h"

namespace knaller::net {

// `host` is what inspect_host() said in the monitor, since here only the new namespace can be seen.
// UDP's host ports must have been leased (lease_udp_ports()); TCP's need not.
// Throws an Error that names the step; nothing has to be undone, it ends with the namespace.
void set_up_namespace(const Plan& plan, const HostNetwork& host, uid_t tap_owner);

}  // namespace knaller::net

#endif  // KNALLER_NET_NAMESPACE_H_
