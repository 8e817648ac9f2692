#include "net/rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "base/error.h"

namespace knaller::net {
namespace {

// What a guest must not reach. RFC 6890's private, shared, link-local, loopback, benchmark, multicast and
// reserved ranges; "this network", since Linux takes 0.0.0.0 for itself.
constexpr const char* kPrivateRanges[] = {
    "0.0.0.0/8",    "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
};

std::string blocked_set(const HostNetwork& host) {
  std::set<std::string> blocked(std::begin(kPrivateRanges), std::end(kPrivateRanges));
  blocked.insert(host.local_networks.begin(), host.local_networks.end());
  blocked.insert(kPastaGateway);
  return fmt::format(
      "  set blocked {{\n"
      "    type ipv4_addr\n    flags interval\n    auto-merge\n"
      "    elements = {{ {} }}\n"
      "  }}\n",
      fmt::join(blocked, ", "));
}

// One line per port, each behind `match`. TCP comes in on the guest's port, UDP on the host's (see
// port_specification).
std::string forward_ports(const Plan& plan, std::string_view match) {
  std::set<std::string> lines;
  for (const auto& port : plan.ports) {
    if (port.protocol == Protocol::kTcp) {
      lines.insert(fmt::format("    {} tcp dport {} dnat ip to {}\n", match, port.guest, plan.guest_address));
      continue;
    }
    if (port.host == 0)
      fail(Code::kInvalidArgument, "the host port for UDP port {} was not leased", port.guest);
    lines.insert(fmt::format("    {} udp dport {} dnat ip to {}:{}\n", match, port.host, plan.guest_address,
                             port.guest));
  }
  return fmt::format("{}", fmt::join(lines, ""));
}

// Before connection tracking and address translation: a reply to a translated connection still has the
// gateway's address here, so nothing honest is for 127.0.0.0/8, and whatever is not from the guest's own
// address is forged.
std::string guard_chain(const Plan& plan) {
  return fmt::format(
      "  chain guard {{\n"
      "    type filter hook prerouting priority raw; policy accept;\n"
      "    meta nfproto ipv6 drop\n"
      "    iifname \"{0}\" ip saddr != {1} drop\n"
      "    iifname != \"lo\" ip saddr 127.0.0.0/8 drop\n"
      "    iifname != \"lo\" ip daddr 127.0.0.0/8 drop\n"
      "  }}\n",
      plan.tap, plan.guest_address);
}

// Connections from the host's loopback arrive through the namespace's `lo` (pasta splices them), all others
// through pasta0: hence both chains. Spliced ones come from 127.0.0.1, where the guest could not answer to.
std::string nat_chains(const Plan& plan) {
  std::string prerouting = forward_ports(plan, fmt::format("iifname \"{}\"", kPastaDevice));
  if (plan.redirect_dns) {
    prerouting += fmt::format("    iifname \"{0}\" udp dport 53 dnat ip to {1}\n", plan.tap, plan.dns);
    prerouting += fmt::format("    iifname \"{0}\" tcp dport 53 dnat ip to {1}\n", plan.tap, plan.dns);
  }
  return fmt::format(
      "  chain incoming {{\n"
      "    type nat hook prerouting priority dstnat; policy accept;\n{}"
      "  }}\n"
      "  chain incoming_local {{\n"
      "    type nat hook output priority -100; policy accept;\n{}"
      "  }}\n"
      "  chain outgoing {{\n"
      "    type nat hook postrouting priority srcnat; policy accept;\n"
      "    oifname \"{}\" ip saddr 127.0.0.0/8 masquerade\n"
      "    oifname \"{}\" masquerade\n"
      "  }}\n",
      prerouting, forward_ports(plan, "ip daddr 127.0.0.0/8"), plan.tap, kPastaDevice);
}

// What the guest may begin. Refused, not dropped: its programs fail at once instead of waiting for minutes.
std::string egress_chain(const Plan& plan) {
  return fmt::format(
      "  chain egress {{\n"
      "    ip daddr {0} udp dport 53 accept\n"
      "    ip daddr {0} tcp dport 53 accept\n"
      "    ip daddr @blocked reject with icmp type admin-prohibited\n"
      "    udp dport 53 reject with icmp type admin-prohibited\n"
      "    tcp dport 53 reject with icmp type admin-prohibited\n"
      "    accept\n"
      "  }}\n",
      plan.dns);
}

// A reply is told by its direction, never by "related": an ICMP error that quotes a connection may be sent
// anywhere.
std::string forward_chain(const Plan& plan) {
  return fmt::format(
      "  chain forward {{\n"
      "    type filter hook forward priority filter; policy drop;\n"
      "    iifname \"{1}\" oifname \"{0}\" ct status dnat accept\n"
      "    iifname \"{1}\" oifname \"{0}\" ct state established,related accept\n"
      "    iifname \"{0}\" oifname \"{1}\" ct direction reply ct state established accept\n"
      "    iifname \"{0}\" oifname \"{1}\" jump egress\n"
      "  }}\n",
      plan.tap, kPastaDevice);
}

// The namespace itself: the guest may ping its gateway. What leaves through pasta0 is forwarded, so of the
// namespace's own there are only ICMP errors; an engine could send everything else, but not those (that needs
// CAP_NET_RAW).
std::string local_chains(const Plan& plan) {
  return fmt::format(
      "  chain input {{\n"
      "    type filter hook input priority filter; policy drop;\n"
      "    iifname \"lo\" accept\n"
      "    iifname \"{0}\" ct state established,related accept\n"
      "    iifname \"{0}\" ip daddr {1} icmp type echo-request accept\n"
      "    iifname \"{0}\" reject with icmp type admin-prohibited\n"
      "  }}\n"
      "  chain output {{\n"
      "    type filter hook output priority filter; policy drop;\n"
      "    meta nfproto ipv6 drop\n"
      "    oifname {{ \"lo\", \"{0}\" }} accept\n"
      "    oifname \"{2}\" icmp type {{ destination-unreachable, time-exceeded }} accept\n"
      "  }}\n",
      plan.tap, plan.gateway, kPastaDevice);
}

}  // namespace

std::string render_rules(const Plan& plan, const HostNetwork& host) {
  return "table inet knaller {\n" + blocked_set(host) + guard_chain(plan) + nat_chains(plan) +
         egress_chain(plan) + forward_chain(plan) + local_chains(plan) + "}\n";
}

}  // namespace knaller::net
