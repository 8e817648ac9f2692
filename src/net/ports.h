// Ports of the host: free ones, and who has one that is taken.
#ifndef KNALLER_NET_PORTS_H_
#define KNALLER_NET_PORTS_H_

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "net/plan.h"

namespace knaller::net {

// A port that was free a moment ago. Only pasta's own bind decides, so the caller tries again with another
// one when pasta finds it taken.
uint16_t lease_port(const std::string& address, Protocol protocol);

// `asked` with a free port in place of every host port 0; no port twice.
Plan lease_ports(Plan asked);
// The same for UDP alone. The packet filter names these ports, so they are chosen before the namespace is set
// up, while TCP's can still be exchanged when pasta finds one taken.
Plan lease_udp_ports(Plan asked);

// "python3 (pid 123)", or empty when nobody, or nobody that this user may look at, has it. For messages only.
std::string port_holder(const std::string& address, uint16_t port, Protocol protocol);

// 0, or why a socket can't have this address, as errno.
int bind_error(const PortForward& port);
// A socket that listens on a TCP port and does not block; a free one in place of host port 0. Throws
// port_refused().
UniqueFd listen_on(PortForward& port);
// What to say about that. 0: somebody had the port a moment ago, and no longer does.
Error port_refused(const PortForward& port, int error);

}  // namespace knaller::net

#endif  // KNALLER_NET_PORTS_H_
