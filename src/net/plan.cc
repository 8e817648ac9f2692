#include "net/plan.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "net/egress.h"

namespace knaller::net {
namespace {

void check_address(const std::string& text, const char* what) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, text.c_str(), &parsed) != 1) {
    fail(Code::kInvalidArgument, "{} '{}' is not an IPv4 address", what, printable(text));
  }
}

void check_device(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  const bool valid = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." && name != "lo" &&
                     name != kPastaDevice && name != kShaperDevice &&
                     std::all_of(name.begin(), name.end(), allowed);
  if (!valid) fail(Code::kInvalidArgument, "'{}' cannot be the name of a TAP device", printable(name));
}

void check_mac(const std::string& text) {
  const auto octets = split(text, ':');
  const auto is_octet = [](std::string_view octet) {
    return octet.size() == 2 && octet.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  };
  if (octets.size() != 6 || !std::all_of(octets.begin(), octets.end(), is_octet)) {
    fail(Code::kInvalidArgument, "'{}' is not a MAC address", printable(text));
  }
}

void check_ports(const std::vector<PortForward>& ports) {
  std::set<std::pair<Protocol, uint16_t>> seen;
  for (const auto& port : ports) {
    check_address(port.address, "the host address of a port");
    if (port.guest == 0) fail(Code::kInvalidArgument, "port 0 of a guest cannot be forwarded");
    if (port.host == 0) continue;
    // On two different addresses as well: pasta calls that overlapping (tried with 2023-03-09).
    if (!seen.emplace(port.protocol, port.host).second) {
      fail(Code::kInvalidArgument, "host port {} is asked for twice", port.host);
    }
  }
}

}  // namespace

Plan standard_plan(std::vector<PortForward> ports) {
  Plan plan;
  plan.ports = std::move(ports);
  return plan;
}

void check_plan(const Plan& plan) {
  check_device(plan.tap);
  check_mac(plan.tap_mac);
  check_mac(plan.guest_mac);
  check_address(plan.guest_address, "the guest's address");
  check_address(plan.gateway, "the gateway");
  check_address(plan.dns, "the name server");
  if (plan.prefix < 1 || plan.prefix > 30) {
    fail(Code::kInvalidArgument, "/{} is not a network prefix", plan.prefix);
  }
  check_ports(plan.ports);
  check_egress(plan.egress);
}

}  // namespace knaller::net
