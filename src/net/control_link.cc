#include "net/control_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/error.h"
#include "channel/link_plan.h"
#include "net/device.h"
#include "net/sysctl.h"

namespace knaller::net {

void set_up_control_link(uid_t tap_owner) {
  in_context([] { return std::string("make the link to the guest's agent"); },
             [&] {
               make_tap(kControlTap, tap_owner);
               RouteSocket netlink;
               set_mac(netlink, kControlTap, channel::kHostMac);
               add_address(netlink, kControlTap, channel::kHostAddress, channel::kPrefix);
               // Whatever the namespace forwards for the guest's own network.
               set_sysctl(std::string("ipv4/conf/") + kControlTap + "/forwarding", "0");
               disable_ipv6();
               set_up(netlink, kControlTap);
               add_neighbour(netlink, kControlTap, channel::kGuestAddress, channel::kGuestMac);
             });
}

UniqueFd make_control_socket(const VmNamespaces& namespaces) {
  std::vector<UniqueFd> sockets = namespaces.open_inside([] {
    std::vector<UniqueFd> made;
    made.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made.back()) fail_errno("make a socket in the VM's network");
    const int on = 1;
    ::setsockopt(made.back().get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return made;
  });
  if (sockets.size() != 1) fail(Code::kInternal, "no socket came out of the VM's network");
  return std::move(sockets.front());
}

}  // namespace knaller::net
