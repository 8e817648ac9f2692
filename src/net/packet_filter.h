// Loads nftables rules into the network namespace that this process is in.
#ifndef KNALLER_NET_PACKET_FILTER_H_
#define KNALLER_NET_PACKET_FILTER_H_

#include <string>

namespace knaller::net {

// All of `rules` or none of them. Needs CAP_NET_ADMIN over the namespace.
void load_rules(const std::string& rules);

}  // namespace knaller::net

#endif  // KNALLER_NET_PACKET_FILTER_H_
