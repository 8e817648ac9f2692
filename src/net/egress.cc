#include "net/egress.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "net/prefix.h"

namespace knaller::net {
namespace {

constexpr size_t kMostRules = 1000;
constexpr const char* kForm = "as in 10.0.0.0/8, 10.0.0.5:5432, 10.0.0.5:53/udp, or dns";

// No guest reaches these, whatever its rules: "this" host and the loopback, multicast, reserved.
constexpr const char* kNever[] = {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"};

[[noreturn]] void refuse(std::string_view text, const std::string& why, std::string hint = kForm) {
  throw Error(Code::kInvalidArgument, fmt::format("'{}': {}", printable(text), why), std::move(hint));
}

void check_destination(const EgressRule& rule) {
  const std::string text = to_text(rule);
  const auto parsed = parse_prefix(rule.to);
  if (!parsed && std::count(rule.to.begin(), rule.to.end(), ':') > 1)
    refuse(text, "guests have no IPv6", "name an IPv4 address, as in 10.0.0.5");
  if (!parsed) refuse(text, fmt::format("'{}' is not an IPv4 address or network", printable(rule.to)));
  const std::string whole = rule.to.substr(0, rule.to.find('/'));
  if (prefix(whole).address != parsed->address)
    refuse(text, fmt::format("{} is not the beginning of a /{}", whole, parsed->length),
           fmt::format("{} is the network, {} the address", to_text(*parsed), whole));
}

void check_rule(const EgressRule& rule) {
  if (rule.port == 0 && rule.protocol)
    refuse(to_text(rule), "a protocol goes with a port", "as in 10.0.0.5:53/udp");
  if (rule.to != kDns) return check_destination(rule);
  if (rule.port != 0) refuse(to_text(rule), "dns has no port of its own");
}

void check_reachable(const EgressRule& rule) {
  if (rule.to == kDns) return;
  for (const char* never : kNever)
    if (prefix(never).contains(prefix(rule.to)))
      refuse(to_text(rule), fmt::format("no guest can reach {}", never),
             "to reach a service of the host, name one of its other addresses and the port");
}

}  // namespace

std::string to_text(const EgressRule& rule) {
  std::string text = rule.to;
  if (rule.port != 0) text += fmt::format(":{}", rule.port);
  if (rule.protocol) text += *rule.protocol == Protocol::kUdp ? "/udp" : "/tcp";
  return text;
}

std::string to_text(const Egress& egress) {
  std::string text = egress.mode == EgressMode::kNone ? "none" : "internet";
  const auto add = [&text](const char* verb, const std::vector<EgressRule>& rules) {
    if (!rules.empty()) text += verb;
    for (const EgressRule& rule : rules) text += " " + to_text(rule);
  };
  add(", allow", egress.allow);
  add(", deny", egress.deny);
  return text;
}

void check_egress(const Egress& egress) {
  for (const auto* rules : {&egress.allow, &egress.deny}) {
    if (rules->size() > kMostRules)
      fail(Code::kInvalidArgument, "{} egress rules are too many", rules->size());
    for (const EgressRule& rule : *rules) check_rule(rule);
  }
  for (const EgressRule& rule : egress.allow) check_reachable(rule);
}

Egress with_changes(Egress egress, const EgressChanges& changes) {
  egress.mode = changes.mode.value_or(egress.mode);
  if (changes.allow) egress.allow = *changes.allow;
  if (changes.deny) egress.deny = *changes.deny;
  return egress;
}

}  // namespace knaller::net
