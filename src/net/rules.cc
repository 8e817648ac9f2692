#include "net/rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "channel/link_plan.h"
#include "net/control_link.h"
#include "net/egress.h"

namespace knaller::net {
namespace {

// What a guest must not reach unless its user says so. RFC 6890's private, shared, link-local, benchmark and
// documentation ranges, and what clouds keep behind public numbers for their own machines: Azure's
// WireServer, and IBM's service endpoints.
constexpr const char* kPrivateRanges[] = {
    "10.0.0.0/8",     "100.64.0.0/10",  "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "161.26.0.0/16",  "166.8.0.0/14",   "168.63.129.16",
};
// What it must not reach whatever its user says: "this network", since Linux takes 0.0.0.0 for itself, the
// loopback, multicast and reserved ranges, and pasta's own network.
constexpr const char* kNever[] = {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"};

// Flows that a guest may have begun and that have not ended. pasta has two descriptors for a TCP connection,
// one for a UDP port (see udp_sources.h) and one for a ping; what is above is refused as if it led nowhere.
constexpr int kMostTcpFlows = 4096;
constexpr int kMostUdpFlows = 2048;
constexpr int kMostPings = 64;
// Queries that a guest may send in a second, to a monitor that has more to do.
constexpr int kQueriesPerSecond = 1000;

// New connections are refused at once with this, established ones end.
constexpr const char* kRefuse = "goto refuse";
constexpr const char* kReject = "reject with icmp type admin-prohibited";

std::string set_of(std::vector<Prefix> prefixes) {
  std::vector<std::string> texts;
  for (const Prefix& prefix : without_nested(std::move(prefixes))) texts.push_back(to_text(prefix));
  return fmt::format("{{ {} }}", fmt::join(texts, ", "));
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

// Before the kernel puts fragments together, which it takes apart again on their way out: pasta (2023-03-09)
// takes each fragment for a packet, so what a program of the guest's writes into a later one would be the
// header that decides where it goes.
std::string fragments_chain() {
  return "  chain fragments {\n"
         "    type filter hook prerouting priority -450; policy accept;\n"
         "    ip frag-off & 0x3fff != 0 drop\n"
         "  }\n";
}

// All that may come over the link to the guest's agent: answers of its to sockets of knaller's.
std::string from_agent() {
  return fmt::format("ip saddr {} ip daddr {} tcp sport {}", channel::kGuestAddress, channel::kHostAddress,
                     channel::kPort);
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
      "    iifname \"{2}\" {3} accept\n"
      "    iifname \"{2}\" drop\n"
      "  }}\n",
      plan.tap, plan.guest_address, kControlTap, from_agent());
}

// Connections from the host's loopback arrive through the namespace's `lo` (pasta splices them), all others
// through pasta0: hence both chains. Spliced ones come from and to 127.0.0.1 (2023-03-09) or pasta's address
// (since 2024-10), where the guest could not answer to.
std::string spliced() {
  return fmt::format("{{ 127.0.0.0/8, {} }}", kPastaAddress);
}

// pasta sends from the port of the host that has the number of the packet's, on all addresses: so the guest's
// UDP ports become a few that are this VM's.
std::string masquerades(const Plan& plan) {
  std::string rules = fmt::format("    oifname \"{}\" ip saddr {} masquerade\n", plan.tap, spliced());
  if (plan.udp_first != 0) {
    rules += fmt::format("    oifname \"{}\" meta l4proto udp masquerade to :{}-{}\n", kPastaDevice,
                         plan.udp_first, plan.udp_last);
  }
  return rules + fmt::format("    oifname \"{}\" meta l4proto != udp masquerade\n", kPastaDevice);
}

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
      "    type nat hook postrouting priority srcnat; policy accept;\n{}"
      "  }}\n",
      prerouting, forward_ports(plan, "ip daddr " + spliced()), masquerades(plan));
}

// --- The guest's way out, as far as it changes while the VM runs

std::string match_of(const EgressRule& rule) {
  std::string match = "ip daddr " + to_text(prefix(rule.to));
  if (rule.port == 0) return match;
  const std::string_view protocols = !rule.protocol                     ? "{ tcp, udp }"
                                     : *rule.protocol == Protocol::kUdp ? "udp"
                                                                        : "tcp";
  return fmt::format("{} meta l4proto {} th dport {}", match, protocols, rule.port);
}

// How far an allowance reaches. One that is wider than what is blocked says nothing about it: who allows
// port 443 of everything means the internet.
enum class Reach { kInternet, kPrivate, kHost };

Reach reach_of(const EgressRule& rule, const std::vector<Prefix>& blocked) {
  const Prefix to = prefix(rule.to);
  if (to.length == 32 && rule.port != 0) return Reach::kHost;
  const bool within = std::any_of(blocked.begin(), blocked.end(),
                                  [&to](const Prefix& prefix) { return prefix.contains(to); });
  return within ? Reach::kPrivate : Reach::kInternet;
}

std::vector<Prefix> blocked_networks(const HostNetwork& host) {
  std::vector<Prefix> blocked = host.networks;
  for (const char* range : kPrivateRanges) blocked.push_back(prefix(range));
  return blocked;
}

std::string allowances(const Egress& egress, const std::vector<Prefix>& blocked, Reach reach) {
  std::string lines;
  for (const EgressRule& rule : egress.allow)
    if (rule.to != kDns && reach_of(rule, blocked) == reach)
      lines += fmt::format("    {} goto limits\n", match_of(rule));
  return lines;
}

// What the guest may begin. Refused, not dropped: its programs fail at once instead of waiting for minutes.
std::string egress_chain(const Plan& plan, const HostNetwork& host) {
  const Egress& egress = plan.egress;
  const std::vector<Prefix> blocked = blocked_networks(host);
  std::vector<Prefix> never;
  for (const char* range : kNever) never.push_back(prefix(range));
  never.push_back(prefix(fmt::format("{}/{}", kPastaGateway, kPastaPrefix)));
  std::string lines = fmt::format("    ip daddr {} {}\n", set_of(never), kRefuse);
  for (const EgressRule& rule : egress.deny)
    if (rule.to != kDns) lines += fmt::format("    {} {}\n", match_of(rule), kRefuse);
  lines += allowances(egress, blocked, Reach::kHost);
  if (!host.own.empty()) lines += fmt::format("    ip daddr {} {}\n", set_of(host.own), kRefuse);
  lines += allowances(egress, blocked, Reach::kPrivate);
  lines += fmt::format("    ip daddr {} {}\n", set_of(blocked), kRefuse);
  lines += allowances(egress, blocked, Reach::kInternet);
  if (egress.mode == EgressMode::kNone) {
    lines += fmt::format("    {}\n", kRefuse);
  } else {
    lines += fmt::format("    meta l4proto {{ tcp, udp }} th dport 53 {}\n    goto limits\n", kRefuse);
  }
  return "  chain egress {\n" + lines + "  }\n";
}

bool names_are_open(const Egress& egress) {
  const auto is_dns = [](const EgressRule& rule) { return rule.to == kDns; };
  if (std::any_of(egress.deny.begin(), egress.deny.end(), is_dns)) return false;
  return egress.mode == EgressMode::kInternet ||
         std::any_of(egress.allow.begin(), egress.allow.end(), is_dns);
}

// The name server's address, 10.255.255.53, is the namespace's own; the monitor answers there.
std::string names_chain(const Plan& plan) {
  if (!names_are_open(plan.egress)) return fmt::format("  chain names {{\n    {}\n  }}\n", kRefuse);
  return fmt::format(
      "  chain names {{\n"
      "    udp dport 53 limit rate over {0}/second burst {0} packets drop\n"
      "    ct state new ct count over {2} {1}\n"
      "    udp dport 53 accept\n"
      "    tcp dport 53 accept\n"
      "    {1}\n"
      "  }}\n",
      kQueriesPerSecond, kRefuse, kMostTcpFlows);
}

// --- What stays

std::string refuse_chain() {
  return fmt::format(
      "  chain refuse {{\n"
      "    meta l4proto tcp ct state != new reject with tcp reset\n"
      "    {}\n"
      "  }}\n",
      kReject);
}

std::string limits_chain() {
  return fmt::format(
      "  chain limits {{\n"
      "    meta l4proto tcp ct state new ct count over {1} {0}\n"
      "    meta l4proto udp ct state new ct count over {2} {0}\n"
      "    meta l4proto icmp ct state new ct count over {3} {0}\n"
      "    meta l4proto {{ tcp, udp, icmp }} accept\n"
      "    {0}\n"
      "  }}\n",
      kRefuse, kMostTcpFlows, kMostUdpFlows, kMostPings);
}

// A connection in whose middle nobody saw a beginning: the guest is a clone, and it is the original's. Reset,
// so that both its programs and their peers know; only the clone's, for nothing leaves.
std::string reset_unknown(const Plan& plan) {
  return fmt::format("    iifname \"{}\" ct state new tcp flags & (syn | rst) == 0x0 reject with tcp reset\n",
                     plan.tap);
}

// A reply is told by its direction, never by "related": an ICMP error that quotes a connection may be sent
// anywhere. What connection tracking finds invalid (a wrong checksum will do) is neither translated nor
// counted.
std::string forward_chain(const Plan& plan) {
  return fmt::format(
      "  chain forward {{\n"
      "    type filter hook forward priority filter; policy drop;\n"
      "    ct state invalid drop\n"
      "{2}"
      "    iifname \"{1}\" oifname \"{0}\" ct status dnat accept\n"
      "    iifname \"{1}\" oifname \"{0}\" ct state established,related accept\n"
      "    iifname \"{0}\" oifname \"{1}\" ct direction reply ct state established accept\n"
      "    iifname \"{0}\" oifname \"{1}\" jump egress\n"
      "  }}\n",
      plan.tap, kPastaDevice, reset_unknown(plan));
}

// The namespace itself: the guest may ping its gateway, and ask for names. What leaves through pasta0 is
// forwarded, so of the namespace's own there are only ICMP errors; an engine could send everything else, but
// not those (that needs CAP_NET_RAW). It may not ask for names either, except as its guest does.
std::string local_chains(const Plan& plan) {
  return fmt::format(
      "  chain input {{\n"
      "    type filter hook input priority filter; policy drop;\n"
      "    iifname {{ \"lo\", \"{7}\" }} accept\n"
      "{4}"
      "    iifname \"{0}\" ip daddr {3} jump names\n"
      "    iifname \"{0}\" ct state established,related accept\n"
      "    iifname \"{0}\" ct state new ct count over {6} drop\n"
      "    iifname \"{0}\" ip daddr {1} icmp type echo-request accept\n"
      "    iifname \"{0}\" {5}\n"
      "  }}\n"
      "  chain output {{\n"
      "    type filter hook output priority filter; policy drop;\n"
      "    meta nfproto ipv6 drop\n"
      "    oifname \"lo\" ip daddr {3} drop\n"
      "    oifname {{ \"lo\", \"{0}\", \"{7}\" }} accept\n"
      "    oifname \"{2}\" icmp type {{ destination-unreachable, time-exceeded }} accept\n"
      "  }}\n",
      plan.tap, plan.gateway, kPastaDevice, plan.dns, reset_unknown(plan), kReject, kMostPings, kControlTap);
}

}  // namespace

std::string render_rules(const Plan& plan, const HostNetwork& host) {
  return "table inet knaller {\n" + fragments_chain() + guard_chain(plan) + nat_chains(plan) +
         refuse_chain() + limits_chain() + egress_chain(plan, host) + names_chain(plan) +
         forward_chain(plan) + local_chains(plan) + "}\n";
}

std::string render_update(const Plan& plan, const HostNetwork& host) {
  return "flush chain inet knaller egress\nflush chain inet knaller names\ntable inet knaller {\n" +
         egress_chain(plan, host) + names_chain(plan) + "}\n";
}

}  // namespace knaller::net
