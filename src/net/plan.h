// What the network of one VM looks like: pure data, the same for both engines.
//
// In the engine's network namespace there are two devices: the TAP that the guest's network card is attached
// to, and `pasta0`, behind which pasta translates every connection to sockets of the host. Each VM has a
// namespace of its own, so names and addresses are constants, and a snapshot finds in any namespace what it
// had in the first one.
#ifndef KNALLER_NET_PLAN_H_
#define KNALLER_NET_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knaller/types.h"

namespace knaller::net {

// pasta's side is constant as well, and does not copy the host's address and routes: so a host without any
// route is nothing special, and a host that changes its network meanwhile changes nothing in the namespace.
inline constexpr const char* kPastaDevice = "pasta0";
// Set explicitly, since pasta (2023-03-09) does not read what the kernel made up, and sends to
// 00:00:00:00:00:00 until the namespace has sent something: connections from other machines would never
// arrive.
inline constexpr const char* kPastaDeviceMac = "06:00:0a:ff:ff:02";
inline constexpr const char* kPastaMac = "06:00:0a:ff:ff:01";  // of what is behind the device
inline constexpr const char* kPastaAddress = "10.255.255.2";
inline constexpr const char* kPastaGateway = "10.255.255.1";
inline constexpr int kPastaPrefix = 30;
// Where the guest's packets wait if its bandwidth is limited (see bandwidth.h).
inline constexpr const char* kShaperDevice = "shaper0";

struct Plan {
  std::string tap = "tap0";
  // The gateway's. Constant, since a restored guest's ARP cache still holds the one of its snapshot.
  std::string tap_mac = "06:00:0a:ff:fe:01";
  std::string guest_mac = "06:00:0a:ff:fe:02";
  std::string guest_address = "10.255.254.2";
  std::string gateway = "10.255.254.1";
  int prefix = 30;
  std::string dns =
      "10.255.255.53";  // the namespace's own: the monitor passes queries on to the host's resolver
  // For guests whose resolv.conf names other servers: their queries go to `dns` instead of being refused.
  bool redirect_dns = false;
  std::vector<PortForward> ports;  // SSH's included; host port 0: to be leased
  Egress egress;
  // Bytes, each way, shaped by the namespace's devices: for an engine that does not do it.
  Rate bandwidth;
  // The host's ports from which pasta sends what the guest sends over UDP; 0: none (see udp_sources.h).
  uint16_t udp_first = 0;
  uint16_t udp_last = 0;

  bool operator==(const Plan&) const = default;
};

// The plan of every VM that knaller starts.
Plan standard_plan(std::vector<PortForward> ports);

// The plan that the Go program derives from a VM's name (network.go: everything comes from the name's
// SHA-256), for its snapshots, whose guests hold these values in their memory.
Plan go_plan(std::string_view vm_name, std::vector<PortForward> ports);

// Throws kInvalidArgument for what must never reach the kernel, nft or pasta: names, addresses or MACs that
// are not valid, guest ports that are 0, one host port twice.
void check_plan(const Plan& plan);

}  // namespace knaller::net

#endif  // KNALLER_NET_PLAN_H_
