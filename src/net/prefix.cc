#include "net/prefix.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace knaller::net {

std::optional<Prefix> parse_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  Prefix prefix;
  if (slash != std::string_view::npos) {
    const auto length = parse_integer(text.substr(slash + 1), 0, 32);
    if (!length) return std::nullopt;
    prefix.length = static_cast<int>(*length);
  }
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address) != 1) return std::nullopt;
  prefix.address = ntohl(address.s_addr) & prefix.mask();
  return prefix;
}

Prefix prefix(std::string_view text) {
  const auto parsed = parse_prefix(text);
  if (!parsed) fail(Code::kInternal, "'{}' is not an IPv4 prefix", text);
  return *parsed;
}

std::string to_text(const Prefix& prefix) {
  const in_addr address{htonl(prefix.address)};
  char text[INET_ADDRSTRLEN];
  ::inet_ntop(AF_INET, &address, text, sizeof text);
  return prefix.length == 32 ? text : fmt::format("{}/{}", text, prefix.length);
}

std::vector<Prefix> without_nested(std::vector<Prefix> prefixes) {
  std::sort(prefixes.begin(), prefixes.end());  // a prefix comes right before those that it contains
  std::vector<Prefix> kept;
  for (const Prefix& prefix : prefixes)
    if (kept.empty() || !kept.back().contains(prefix)) kept.push_back(prefix);
  return kept;
}

}  // namespace knaller::net
