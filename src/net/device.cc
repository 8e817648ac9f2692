#include "net/device.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "net/tun.h"

namespace knaller::net {
namespace {

ifreq named_request(const std::string& name) {
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name)
    fail(Code::kInvalidArgument, "device name '{}' is too long", name);
  std::memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

std::array<unsigned char, 6> parse_mac(const std::string& text) {
  std::array<unsigned char, 6> mac{};
  if (std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3],
                  &mac[4], &mac[5]) != 6)
    fail(Code::kInvalidArgument, "'{}' is not a MAC address", text);
  return mac;
}

in_addr parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1)
    fail(Code::kInvalidArgument, "'{}' is not an IPv4 address", text);
  return address;
}

}  // namespace

int index_of(const std::string& device) {
  const unsigned index = ::if_nametoindex(device.c_str());
  if (index == 0) fail_errno("find the network device '{}'", device);
  return static_cast<int>(index);
}

void make_tap(const std::string& name, uid_t owner) {
  const UniqueFd tun = open_tun();
  ifreq request = named_request(name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) fail_errno("create the TAP '{}'", name);
  if (::ioctl(tun.get(), TUNSETOWNER, static_cast<unsigned long>(owner)) != 0) {
    fail_errno("give the TAP '{}' to user {}", name, owner);
  }
  if (::ioctl(tun.get(), TUNSETPERSIST, 1UL) != 0) fail_errno("make the TAP '{}' persistent", name);
}

void set_mac(RouteSocket& netlink, const std::string& device, const std::string& mac) {
  const auto octets = parse_mac(mac);
  NetlinkMessage message(RTM_NEWLINK, 0);
  message.family<ifinfomsg>().ifi_index = index_of(device);
  mnl_attr_put(message.header(), IFLA_ADDRESS, octets.size(), octets.data());
  netlink.apply(message, fmt::format("give '{}' the MAC address {}", device, mac));
}

void set_up(RouteSocket& netlink, const std::string& device) {
  NetlinkMessage message(RTM_NEWLINK, 0);
  auto& link = message.family<ifinfomsg>();
  link.ifi_index = index_of(device);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  netlink.apply(message, fmt::format("set '{}' up", device));
}

void add_address(RouteSocket& netlink, const std::string& device, const std::string& address, int prefix) {
  const in_addr parsed = parse_address(address);
  NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  auto& header = message.family<ifaddrmsg>();
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = static_cast<uint8_t>(prefix);
  header.ifa_index = static_cast<uint32_t>(index_of(device));
  mnl_attr_put(message.header(), IFA_LOCAL, sizeof parsed, &parsed);
  mnl_attr_put(message.header(), IFA_ADDRESS, sizeof parsed, &parsed);
  netlink.apply(message, fmt::format("give '{}' the address {}/{}", device, address, prefix));
}

void add_neighbour(RouteSocket& netlink, const std::string& device, const std::string& address,
                   const std::string& mac) {
  const in_addr parsed = parse_address(address);
  const auto octets = parse_mac(mac);
  NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  auto& header = message.family<ndmsg>();
  header.ndm_family = AF_INET;
  header.ndm_ifindex = index_of(device);
  header.ndm_state = NUD_PERMANENT;
  mnl_attr_put(message.header(), NDA_DST, sizeof parsed, &parsed);
  mnl_attr_put(message.header(), NDA_LLADDR, octets.size(), octets.data());
  netlink.apply(message, fmt::format("tell '{}' of its neighbour {}", device, address));
}

// By netlink, since kernels hide the neighbour table's sysctls from namespaces that a user made.
void answer_quickly(RouteSocket& netlink, const std::string& device) {
  NetlinkMessage message(RTM_SETNEIGHTBL, 0);
  message.family<ndtmsg>().ndtm_family = AF_INET;
  mnl_attr_put_strz(message.header(), NDTA_NAME, "arp_cache");
  nlattr* parameters = mnl_attr_nest_start(message.header(), NDTA_PARMS);
  mnl_attr_put_u32(message.header(), NDTPA_IFINDEX, static_cast<uint32_t>(index_of(device)));
  mnl_attr_put_u64(message.header(), NDTPA_RETRANS_TIME, 25);
  mnl_attr_put_u32(message.header(), NDTPA_MCAST_PROBES, 40);
  mnl_attr_nest_end(message.header(), parameters);
  netlink.apply(message, fmt::format("shorten the neighbour timeouts of '{}'", device));
}

}  // namespace knaller::net
