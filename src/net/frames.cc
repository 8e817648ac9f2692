#include "net/frames.h"

#include <vector>

#include "base/text.h"

namespace knaller::net {
namespace {

// Eight columns of what was received, and as many of what was sent.
constexpr size_t kReceivedBytes = 0;
constexpr size_t kReceivedPackets = 1;
constexpr size_t kSentBytes = 8;
constexpr size_t kSentPackets = 9;

std::optional<DeviceCounters> counters_of(std::string_view columns) {
  std::vector<std::optional<int64_t>> counts;
  for (const std::string_view column : split(columns, ' '))
    if (!column.empty()) counts.push_back(parse_integer(column, 0, INT64_MAX));
  if (counts.size() <= kSentPackets) return std::nullopt;
  for (const size_t wanted : {kReceivedBytes, kReceivedPackets, kSentBytes, kSentPackets})
    if (!counts[wanted]) return std::nullopt;
  return DeviceCounters{.received_bytes = static_cast<uint64_t>(*counts[kReceivedBytes]),
                        .received_packets = static_cast<uint64_t>(*counts[kReceivedPackets]),
                        .sent_bytes = static_cast<uint64_t>(*counts[kSentBytes]),
                        .sent_packets = static_cast<uint64_t>(*counts[kSentPackets])};
}

}  // namespace

std::optional<DeviceCounters> device_counters(std::string_view devices, std::string_view device) {
  for (const std::string_view line : split(devices, '\n')) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && trim(line.substr(0, colon)) == device)
      return counters_of(line.substr(colon + 1));
  }
  return std::nullopt;
}

std::optional<uint64_t> frames_taken(std::string_view devices, std::string_view tap) {
  const auto counters = device_counters(devices, tap);
  return counters ? std::optional(counters->sent_packets) : std::nullopt;
}

}  // namespace knaller::net
