// The nftables rules of a VM's namespace: pure text, one transaction.
//
// Three things: what comes in through pasta for a forwarded port goes to the guest; what the guest sends
// reaches the internet and nothing that is the host's own or private; and the engine, which lives in the same
// namespace and may have been taken over by its guest, cannot use the network except as its guest does.
#ifndef KNALLER_NET_RULES_H_
#define KNALLER_NET_RULES_H_

#include <string>

#include "net/host.h"
#include "net/plan.h"

namespace knaller::net {

// `plan` must have passed check_plan(); the host ports of its UDP forwards must be leased.
std::string render_rules(const Plan& plan, const HostNetwork& host);

// What changes while a VM runs, for a table that is there: where the guest may connect to, according to
// `plan.egress` and the host's network. Connections that it has already are subject to it, too.
std::string render_update(const Plan& plan, const HostNetwork& host);

}  // namespace knaller::net

#endif  // KNALLER_NET_RULES_H_
