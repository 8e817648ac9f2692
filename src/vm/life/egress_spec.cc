// CIDR[:PORT[/tcp|udp]], or dns
#include "base/error.h"
#include "base/text.h"
#include "knaller/manager.h"
#include "net/egress.h"

namespace knaller {
inline namespace v0 {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(Code::kInvalidArgument, fmt::format("'{}': {}", printable(text.substr(0, 80)), why),
              "write NETWORK[:PORT[/tcp|udp]], for example 10.0.0.0/8 or 10.0.0.5:5432, or dns");
}

void parse_port_and_protocol(std::string_view text, EgressRule& rule, std::string_view whole) {
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view protocol = text.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp")
      refuse(whole,
             fmt::format("'{}' is not a protocol, tcp and udp are", printable(protocol.substr(0, 20))));
    rule.protocol = protocol == "udp" ? Protocol::kUdp : Protocol::kTcp;
    text = text.substr(0, slash);
  }
  const auto port = parse_integer(text, 1, 65535);
  if (!port) refuse(whole, fmt::format("'{}' is not a port from 1 to 65535", printable(text.substr(0, 20))));
  rule.port = static_cast<uint16_t>(*port);
}

}  // namespace

// "10.0.0.0/8" has a slash of its own, so the protocol is looked for behind the port.
EgressRule parse_egress_rule(std::string_view text) {
  EgressRule rule{.to = std::string(text)};
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon == text.rfind(':')) {
    rule.to = text.substr(0, colon);
    parse_port_and_protocol(text.substr(colon + 1), rule, text);
  }
  net::check_egress({.deny = {rule}});
  return rule;
}

std::string to_string(const EgressRule& rule) {
  return net::to_text(rule);
}

EgressMode parse_egress_mode(std::string_view text) {
  if (text == "none") return EgressMode::kNone;
  if (text == "internet") return EgressMode::kInternet;
  throw Error(Code::kInvalidArgument,
              fmt::format("'{}' is not a network that a guest could reach", printable(text.substr(0, 80))),
              "there are: internet, none; --allow and --deny name single networks");
}

}  // namespace v0
}  // namespace knaller
