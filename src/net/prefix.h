// IPv4 prefixes: pure values.
#ifndef KNALLER_NET_PREFIX_H_
#define KNALLER_NET_PREFIX_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::net {

struct Prefix {
  uint32_t address = 0;  // in the host's byte order; no bits beyond the length
  int length = 32;

  uint32_t mask() const { return length == 0 ? 0 : ~uint32_t{0} << (32 - length); }
  bool contains(const Prefix& other) const {
    return length <= other.length && (other.address & mask()) == address;
  }
  uint64_t size() const { return uint64_t{1} << (32 - length); }

  auto operator<=>(const Prefix&) const = default;
};

// "10.0.0.0/8" or "192.0.2.7"; bits beyond the length are cut off. Nothing for any other text.
std::optional<Prefix> parse_prefix(std::string_view text);
// For constants, which must be valid.
Prefix prefix(std::string_view text);
std::string to_text(const Prefix& prefix);

// Sorted, and without those that another one contains: what an nftables set of intervals takes.
std::vector<Prefix> without_nested(std::vector<Prefix> prefixes);

}  // namespace knaller::net

#endif  // KNALLER_NET_PREFIX_H_
