#include "store/fields.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "store/owner.h"

namespace knaller::store {
namespace {

const char* const kLoopback = "127.0.0.1";

std::string_view protocol_name(Protocol protocol) {
  return protocol == Protocol::kUdp ? "udp" : "tcp";
}

Protocol protocol_from_text(const std::string& text, const std::string& what) {
  if (text == "tcp") return Protocol::kTcp;
  if (text == "udp") return Protocol::kUdp;
  fail(Code::kCorrupt, "{}: '{}' is not a protocol", what, printable(text));
}

PortForward port_from_json(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  PortForward port;
  port.host = static_cast<uint16_t>(reader.integer("Host", 0, 65535));
  port.guest = static_cast<uint16_t>(reader.integer("Guest", 1, 65535));
  port.address = reader.string_or("Addr", kLoopback);
  in_addr address{};
  if (::inet_pton(AF_INET, port.address.c_str(), &address) != 1)
    fail(Code::kCorrupt, "{}: '{}' is not an IPv4 address", what, printable(port.address));
  port.protocol = protocol_from_text(reader.string_or("Proto", "tcp"), what);
  return port;
}

}  // namespace

Json ports_to_json(const std::vector<PortForward>& ports) {
  Json array = Json::array();
  for (const PortForward& port : ports) {
    Json entry = {{"Host", port.host}, {"Guest", port.guest}};
    if (port.address != kLoopback) entry["Addr"] = port.address;
    if (port.protocol == Protocol::kUdp) entry["Proto"] = "udp";
    array.push_back(std::move(entry));
  }
  return array;
}

std::vector<PortForward> ports_from_json(const Json& array, const std::string& what) {
  constexpr size_t kMostPorts = 4096;
  if (array.size() > kMostPorts) fail(Code::kCorrupt, "{}: {} ports are too many", what, array.size());
  std::vector<PortForward> ports;
  for (const Json& entry : array) ports.push_back(port_from_json(entry, what + ": ports"));
  return ports;
}

namespace {

Json rules_to_json(const std::vector<EgressRule>& rules) {
  Json array = Json::array();
  for (const EgressRule& rule : rules) {
    Json entry = {{"to", rule.to}};
    if (rule.port != 0) entry["port"] = rule.port;
    if (rule.protocol) entry["proto"] = protocol_name(*rule.protocol);
    array.push_back(std::move(entry));
  }
  return array;
}

std::vector<EgressRule> rules_from_json(const Json& array, const std::string& what) {
  constexpr size_t kMostRules = 1000;
  if (array.size() > kMostRules) fail(Code::kCorrupt, "{}: {} rules are too many", what, array.size());
  std::vector<EgressRule> rules;
  for (const Json& entry : array) {
    const JsonReader reader(entry, what);
    EgressRule rule{.to = reader.string("to")};
    rule.port = static_cast<uint16_t>(reader.integer_or("port", 0, 0, 65535));
    if (reader.has("proto")) rule.protocol = protocol_from_text(reader.string("proto"), what);
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

Json egress_to_json(const Egress& egress) {
  return {{"mode", to_text(egress.mode)},
          {"allow", rules_to_json(egress.allow)},
          {"deny", rules_to_json(egress.deny)}};
}

Egress egress_from_json(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  return {.mode = egress_mode_from_text(reader.string("mode"), what),
          .allow = rules_from_json(reader.array("allow"), what + ": allow"),
          .deny = rules_from_json(reader.array("deny"), what + ": deny")};
}

namespace {

UniqueFd open_entry_file(int directory, const std::string& name) {
  if (!stat_if_exists(directory, name)) fail(Code::kCorrupt, "there is no '{}'", name);
  return open_untrusted(directory, name);
}

}  // namespace

std::string read_entry_file(int directory, const std::string& name, size_t limit) {
  return read_to_end(open_entry_file(directory, name).get(), limit, fmt::format("'{}'", name));
}

std::string read_own_record(int directory, const std::string& name) {
  const UniqueFd file = open_entry_file(directory, name);
  require_own_entry(file.get(), name);
  return read_to_end(file.get(), kLargestRecord, fmt::format("'{}'", name));
}

SystemTime time_field(const JsonReader& reader, std::string_view key, const std::string& what) {
  const auto time = parse_time(reader.string(key));
  if (!time) fail(Code::kCorrupt, "{}: '{}' is not a time", what, key);
  return *time;
}

std::optional<SystemTime> optional_time_field(const JsonReader& reader, std::string_view key,
                                              const std::string& what) {
  if (reader.string_or(key, "").empty()) return {};
  return time_field(reader, key, what);
}

std::string_view to_text(NetworkMode mode) {
  return mode == NetworkMode::kNone ? "none" : "rootless";
}

NetworkMode network_from_text(std::string_view text, const std::string& what) {
  if (text == "none") return NetworkMode::kNone;
  if (text == "rootless") return NetworkMode::kRootless;
  fail(Code::kCorrupt, "{}: '{}' is not a network mode", what, printable(text));
}

std::string_view to_text(EgressMode mode) {
  return mode == EgressMode::kNone ? "none" : "internet";
}

EgressMode egress_mode_from_text(std::string_view text, const std::string& what) {
  if (text == "none") return EgressMode::kNone;
  if (text == "internet") return EgressMode::kInternet;
  fail(Code::kCorrupt, "{}: '{}' is not an egress mode", what, printable(text));
}

std::string_view to_text(OnReboot on_reboot) {
  return on_reboot == OnReboot::kStop ? "stop" : "restart";
}

OnReboot on_reboot_from_text(std::string_view text, const std::string& what) {
  if (text == "stop") return OnReboot::kStop;
  if (text == "restart") return OnReboot::kRestart;
  fail(Code::kCorrupt, "{}: '{}' is not an action for a guest's reboot", what, printable(text));
}

}  // namespace knaller::store
