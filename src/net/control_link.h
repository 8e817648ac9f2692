// The host's side of the link to the agent in a guest (channel/link_plan.h): a TAP in the VM's network
// namespace, over which nothing is forwarded, and sockets that are made in there. Nothing listens: who has no
// descriptor from the VM's monitor reaches no agent.
#ifndef KNALLER_NET_CONTROL_LINK_H_
#define KNALLER_NET_CONTROL_LINK_H_

#include <sys/types.h>

#include "base/fd.h"
#include "net/vm_namespaces.h"

namespace knaller::net {

inline constexpr char kControlTap[] = "control0";

// In the engine's new network namespace, before it gives up its capabilities and after set_up_namespace().
void set_up_control_link(uid_t tap_owner);

// A TCP socket for a connection to the agent, which is not yet begun. Blocks until it is made, some 0.3 ms.
UniqueFd make_control_socket(const VmNamespaces& namespaces);

}  // namespace knaller::net

#endif  // KNALLER_NET_CONTROL_LINK_H_
