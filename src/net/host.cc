#include "net/host.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <map>
#include <optional>

#include "base/error.h"
#include "net/netlink.h"

namespace knaller::net {
namespace {

constexpr int kMostTries = 5;
constexpr uint64_t kQuarter = uint64_t{1} << 30;

struct Attributes {
  in_addr destination{};
  uint32_t device = 0;
};

int collect(const nlattr* attribute, void* data) {
  auto& attributes = *static_cast<Attributes*>(data);
  const uint16_t length = mnl_attr_get_payload_len(attribute);
  switch (mnl_attr_get_type(attribute)) {
    case RTA_OIF:
      if (length == sizeof attributes.device) attributes.device = mnl_attr_get_u32(attribute);
      break;
    case RTA_DST:
      if (length == sizeof attributes.destination)
        std::memcpy(&attributes.destination, mnl_attr_get_payload(attribute), length);
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

// Routes of all tables.
std::optional<HostRoute> read_route(const nlmsghdr* message) {
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_family != AF_INET) return std::nullopt;
  if (header->rtm_type != RTN_LOCAL && header->rtm_type != RTN_UNICAST) return std::nullopt;
  Attributes attributes;
  mnl_attr_parse(message, sizeof *header, collect, &attributes);
  HostRoute route{.destination = {.length = header->rtm_dst_len},
                  .local = header->rtm_type == RTN_LOCAL,
                  .connected = header->rtm_protocol == RTPROT_KERNEL,
                  .device = attributes.device};
  route.destination.address = ntohl(attributes.destination.s_addr) & route.destination.mask();
  return route;
}

std::vector<HostRoute> read_routes() {
  NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
  message.family<rtmsg>().rtm_family = AF_INET;
  std::vector<HostRoute> routes;
  RouteSocket().dump(message, "read the host's routes", [&routes](const nlmsghdr* answer) {
    if (const auto route = read_route(answer)) routes.push_back(*route);
  });
  return routes;
}

}  // namespace

// Routes of type "local", not the addresses of the devices: those include whole prefixes that the host
// answers for. "Everything is local", in a table of its own, is how a transparent proxy gets what is marked
// for it (IP_TRANSPARENT): it makes no address the host's.
HostNetwork summarize(const std::vector<HostRoute>& routes) {
  HostNetwork host;
  std::map<uint32_t, std::vector<Prefix>> given;  // by device: not by the kernel
  for (const HostRoute& route : routes) {
    if (route.destination.length == 0) {
      host.has_default_route |= !route.local;
    } else if (route.local) {
      host.own.push_back(route.destination);
    } else if (route.connected) {
      host.networks.push_back(route.destination);
    } else {
      given[route.device].push_back(route.destination);
    }
  }
  for (auto& [device, prefixes] : given) {
    prefixes = without_nested(std::move(prefixes));
    uint64_t size = 0;
    for (const Prefix& piece : prefixes) size += piece.size();
    if (size >= kQuarter)
      host.has_default_route = true;
    else
      host.networks.insert(host.networks.end(), prefixes.begin(), prefixes.end());
  }
  host.own = without_nested(std::move(host.own));
  host.networks = without_nested(std::move(host.networks));
  return host;
}

HostNetwork inspect_host() {
  // The kernel gives an error when they change meanwhile; then it is asked again.
  for (int tries = 1;; ++tries) {
    try {
      return summarize(read_routes());
    } catch (const Error&) {
      if (tries == kMostTries) throw;
    }
  }
}

}  // namespace knaller::net
