// For tests of real networks: TUN and TAP devices whose other end is a test, and packets by hand.
#ifndef KNALLER_NET_TEST_LINK_H_
#define KNALLER_NET_TEST_LINK_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "net/device.h"
#include "net/test_namespace.h"

namespace knaller::net {

// Attaches to (or makes) a device; what is written to the descriptor arrives on it.
inline UniqueFd attach(const std::string& name, int flags) {
  UniqueFd fd = open_at(AT_FDCWD, "/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(flags | IFF_NO_PI);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) fail_errno("attach to '{}'", name);
  return fd;
}

// `gateway` empty: straight through the device.
inline void add_default_route(RouteSocket& netlink, const std::string& device, const std::string& gateway) {
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  message.family<rtmsg>() = {
      .rtm_family = AF_INET,
      .rtm_table = RT_TABLE_MAIN,
      .rtm_protocol = RTPROT_STATIC,
      .rtm_scope = static_cast<unsigned char>(gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE),
      .rtm_type = RTN_UNICAST};
  mnl_attr_put_u32(message.header(), RTA_OIF, ::if_nametoindex(device.c_str()));
  if (!gateway.empty()) mnl_attr_put_u32(message.header(), RTA_GATEWAY, ::inet_addr(gateway.c_str()));
  netlink.apply(message, "add the default route");
}

// As `ip route add local default dev lo table 100`: what is looked up there is taken for the host's own.
inline void add_proxy_route(RouteSocket& netlink) {
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  message.family<rtmsg>() = {.rtm_family = AF_INET,
                             .rtm_table = 100,
                             .rtm_protocol = RTPROT_STATIC,
                             .rtm_scope = RT_SCOPE_HOST,
                             .rtm_type = RTN_LOCAL};
  mnl_attr_put_u32(message.header(), RTA_OIF, ::if_nametoindex("lo"));
  netlink.apply(message, "add the proxy's route");
}

// A device with addresses (each /32 except the first) that everything else goes through. Returns its other
// end.
inline UniqueFd make_uplink(const std::vector<std::string>& addresses) {
  UniqueFd tun = attach("wan0", IFF_TUN);
  RouteSocket netlink;
  for (const auto& address : addresses) add_address(netlink, "wan0", address, 32);
  set_up(netlink, "wan0");
  add_default_route(netlink, "wan0", "");
  return tun;
}

// Carries packets between two devices, in a process of its own.
class Cable {
 public:
  Cable(int one, int other) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char packet[65536];
    const auto carry = [&packet](int from, int to) {
      for (ssize_t length; (length = ::read(from, packet, sizeof packet)) > 0;) {
        [[maybe_unused]] const ssize_t lost = ::write(to, packet, static_cast<size_t>(length));
      }
    };
    pollfd both[] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
    while (::poll(both, 2, -1) >= 0) {
      carry(one, other);
      carry(other, one);
    }
    ::_exit(1);
  }
  ~Cable() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

 private:
  pid_t pid_;
};

inline uint16_t checksum(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i]) << 8 | static_cast<uint8_t>(bytes[i + 1]));
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

inline std::string big_endian(uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

inline std::string octets(const std::string& address) {
  const in_addr_t raw = ::inet_addr(address.c_str());
  return std::string(reinterpret_cast<const char*>(&raw), sizeof raw);
}

struct Packet {
  std::string source;
  std::string destination;
  uint16_t port = 0;
  uint8_t protocol = IPPROTO_UDP;  // or IPPROTO_TCP (a SYN), IPPROTO_ICMP (an echo request)
  uint16_t source_port = 40000;
  uint16_t fragment = 0;  // flags and offset, as in the header
};

inline std::string transport_part(const Packet& packet) {
  if (packet.protocol == IPPROTO_UDP) {
    return big_endian(packet.source_port) + big_endian(packet.port) + big_endian(12) + std::string(2, '\0') +
           "hey!";
  }
  if (packet.protocol == IPPROTO_ICMP) {
    std::string echo = std::string("\x08\0\0\0\0\x01\0\x01", 8) + "ping";
    return echo.replace(2, 2, big_endian(checksum(echo)));
  }
  std::string syn = big_endian(packet.source_port) + big_endian(packet.port) +
                    std::string("\0\0\0\1\0\0\0\0\x50\x02\xff\xff\0\0\0\0", 16);
  const std::string pseudo =
      octets(packet.source) + octets(packet.destination) + std::string("\0\x06\0\x14", 4);
  return syn.replace(16, 2, big_endian(checksum(pseudo + syn)));
}

// An Ethernet frame from the guest to its gateway.
inline std::string frame_of(const Packet& packet, const std::string& payload) {
  std::string header = std::string("\x45\0", 2) + big_endian(static_cast<uint16_t>(20 + payload.size())) +
                       std::string("\0\1", 2) + big_endian(packet.fragment) + "\x40" +
                       static_cast<char>(packet.protocol) + std::string(2, '\0') + octets(packet.source) +
                       octets(packet.destination);
  header.replace(10, 2, big_endian(checksum(header)));
  const std::string macs("\x06\0\x0a\xff\xfe\x01\x06\0\x0a\xff\xfe\x02", 12);
  return macs + std::string("\x08\0", 2) + header + payload;
}

inline std::string frame_of(const Packet& packet) {
  return frame_of(packet, transport_part(packet));
}

inline void send_frame(int tap, const std::string& frame) {
  write_all(tap, frame, "a frame");
}

// "udp 12.0.0.9:9": what a packet on a TUN device is.
inline std::string describe_packet(std::string_view packet) {
  if (packet.size() < 24) return "too short";
  if ((packet[0] >> 4) == 6) return "ipv6";
  const auto byte = [&packet](size_t at) { return static_cast<unsigned>(static_cast<uint8_t>(packet[at])); };
  const size_t header = (byte(0) & 0xf) * 4;
  const std::string address = fmt::format("{}.{}.{}.{}", byte(16), byte(17), byte(18), byte(19));
  if (byte(9) == IPPROTO_ICMP) return "icmp " + address;
  const unsigned port = byte(header + 2) << 8 | byte(header + 3);
  return fmt::format("{} {}:{}", byte(9) == IPPROTO_TCP ? "tcp" : "udp", address, port);
}

// Neighbour discovery and the like of the host's own, on a device that was just set up.
inline bool is_link_local_ipv6(std::string_view packet) {
  return packet.size() >= 40 && (packet[0] >> 4) == 6 &&
         (packet.substr(8, 2) == "\xfe\x80" || packet[8] == 0);
}

// Reads packets until one is `fence`; returns the others.
inline std::vector<std::string> packets_before(int tun, const std::string& fence) {
  std::vector<std::string> seen;
  const Deadline deadline = Deadline::after(std::chrono::seconds(10));
  for (;;) {
    wait_readable(tun, deadline, "the packet " + fence);
    char packet[65536];
    const ssize_t length = ::read(tun, packet, sizeof packet);
    if (length <= 0 || is_link_local_ipv6({packet, static_cast<size_t>(length)})) continue;
    const std::string what = describe_packet({packet, static_cast<size_t>(length)});
    if (what == fence) return seen;
    seen.push_back(what);
  }
}

}  // namespace knaller::net

#endif  // KNALLER_NET_TEST_LINK_H_
