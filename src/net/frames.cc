#include "net/frames.h"

#include <vector>

#include "base/text.h"

namespace knaller::net {

std::optional<uint64_t> frames_taken(std::string_view devices, std::string_view tap) {
  constexpr size_t kSentPackets = 9;  // behind eight columns of what was received, and the bytes sent
  for (const std::string_view line : split(devices, '\n')) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || trim(line.substr(0, colon)) != tap) continue;
    std::vector<std::string_view> columns;
    for (const std::string_view column : split(line.substr(colon + 1), ' '))
      if (!column.empty()) columns.push_back(column);
    if (columns.size() <= kSentPackets) return std::nullopt;
    return parse_integer(columns[kSentPackets], 0, INT64_MAX);
  }
  return std::nullopt;
}

}  // namespace knaller::net
