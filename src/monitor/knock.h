// Packets that wake a guest which is alive: the first of a connection. Whether anything answers is not asked.
#ifndef KNALLER_MONITOR_KNOCK_H_
#define KNALLER_MONITOR_KNOCK_H_

#include <cstdint>

#include "base/fd.h"
#include "net/vm_namespaces.h"

namespace knaller::monitor {

// The socket is to stay a while, for the packet goes out in the background; without a socket, none goes.
UniqueFd knock_at_agent(const net::VmNamespaces& namespaces);
// At what is forwarded to by that TCP port of this host's 127.0.0.1.
UniqueFd knock_at_port(uint16_t port);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_KNOCK_H_
