#include "net/host.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "net/netlink.h"

namespace knaller::net {
namespace {

struct Route {
  uint32_t table = 0;
  in_addr destination{};
};

int collect(const nlattr* attribute, void* data) {
  auto& route = *static_cast<Route*>(data);
  const uint16_t length = mnl_attr_get_payload_len(attribute);
  switch (mnl_attr_get_type(attribute)) {
    case RTA_TABLE:
      if (length == sizeof route.table) route.table = mnl_attr_get_u32(attribute);
      break;
    case RTA_DST:
      if (length == sizeof route.destination) {
        std::memcpy(&route.destination, mnl_attr_get_payload(attribute), sizeof route.destination);
      }
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

std::string to_text(in_addr address, unsigned prefix) {
  char text[INET_ADDRSTRLEN];
  ::inet_ntop(AF_INET, &address, text, sizeof text);
  return prefix == 32 ? text : fmt::format("{}/{}", text, prefix);
}

// Routes of type "local", not the addresses of the devices: those include whole prefixes that the host
// answers for. "Everything is local", in a table of its own, is how a transparent proxy gets what is marked
// for it (IP_TRANSPARENT): it makes no address the host's.
void note_route(const nlmsghdr* message, HostNetwork& host) {
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_family != AF_INET) return;
  Route route{.table = header->rtm_table};
  mnl_attr_parse(message, sizeof *header, collect, &route);
  if (header->rtm_type == RTN_LOCAL && header->rtm_dst_len != 0) {
    host.local_networks.push_back(to_text(route.destination, header->rtm_dst_len));
  }
  if (header->rtm_type == RTN_UNICAST && header->rtm_dst_len == 0) host.has_default_route = true;
}

}  // namespace

HostNetwork inspect_host() {
  NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
  message.family<rtmsg>().rtm_family = AF_INET;
  HostNetwork host;
  RouteSocket().dump(message, "read the host's routes",
                     [&host](const nlmsghdr* answer) { note_route(answer, host); });
  auto& networks = host.local_networks;
  std::sort(networks.begin(), networks.end());
  networks.erase(std::unique(networks.begin(), networks.end()), networks.end());
  return host;
}

}  // namespace knaller::net
