// Settings of the network namespace that this process is in.
#ifndef KNALLER_NET_SYSCTL_H_
#define KNALLER_NET_SYSCTL_H_

#include <string>
#include <string_view>

namespace knaller::net {

// `name` below net/: "ipv4/ip_forward".
void set_sysctl(const std::string& name, std::string_view value);
// Where the kernel has it. For devices that come later, too.
void disable_ipv6();

}  // namespace knaller::net

#endif  // KNALLER_NET_SYSCTL_H_
