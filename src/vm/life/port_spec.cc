// [ADDR:]HOST:GUEST[/tcp|udp]
#include <arpa/inet.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "knaller/manager.h"

namespace knaller {
inline namespace v0 {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(Code::kInvalidArgument,
              fmt::format("'{}' is not a port: {}", printable(text.substr(0, 80)), why),
              "write [ADDRESS:]HOST:GUEST[/tcp|udp], for example 8080:80 or 0.0.0.0:5353:53/udp");
}

uint16_t parse_number(std::string_view number, int64_t least, std::string_view whole) {
  const auto value = parse_integer(number, least, 65535);
  if (!value)
    refuse(whole,
           fmt::format("'{}' is not a number from {} to 65535", printable(number.substr(0, 20)), least));
  return static_cast<uint16_t>(*value);
}

}  // namespace

PortForward parse_port(std::string_view text) {
  if (text.find('[') != std::string_view::npos || std::count(text.begin(), text.end(), ':') > 2)
    throw Error(
        Code::kInvalidArgument,
        fmt::format("'{}': ports are forwarded from IPv4 addresses only", printable(text.substr(0, 80))),
        "leave the address out for this host alone (127.0.0.1), or give 0.0.0.0 for all: "
        "0.0.0.0:8080:80");
  PortForward port;
  std::string_view rest = text;
  if (const size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") refuse(text, "the protocol is tcp or udp");
    port.protocol = protocol == "udp" ? Protocol::kUdp : Protocol::kTcp;
    rest = rest.substr(0, slash);
  }
  const std::vector<std::string_view> parts = split(rest, ':');
  if (parts.size() < 2 || parts.size() > 3) refuse(text, "it needs a host and a guest port");
  if (parts.size() == 3) {
    port.address = parts.front();
    in_addr parsed{};
    if (::inet_pton(AF_INET, port.address.c_str(), &parsed) != 1)
      refuse(text, fmt::format("'{}' is not an IPv4 address", printable(parts.front().substr(0, 40))));
  }
  port.host = parse_number(parts[parts.size() - 2], 0, text);
  port.guest = parse_number(parts.back(), 1, text);
  return port;
}

}  // namespace v0
}  // namespace knaller
