// What a user says about where a guest may connect to: text and checks. Pure.
#ifndef KNALLER_NET_EGRESS_H_
#define KNALLER_NET_EGRESS_H_

#include <string>

#include "knaller/types.h"

namespace knaller::net {

inline constexpr const char* kDns = "dns";  // EgressRule::to: the guest's own name server

// "10.0.0.0/8", "10.0.0.5:5432", "10.0.0.5:53/udp", "dns"
std::string to_text(const EgressRule& rule);
std::string to_text(const Egress& egress);  // "none, allow dns 10.0.0.5:5432, deny 10.0.0.6"

// kInvalidArgument for rules that make no sense: not an IPv4 prefix, a protocol without a port, something
// that can never be reached.
void check_egress(const Egress& egress);

Egress with_changes(Egress egress, const EgressChanges& changes);

}  // namespace knaller::net

#endif  // KNALLER_NET_EGRESS_H_
