#include "vm/life/limiters.h"

#include <algorithm>

#include "engine/engine_family.h"
#include "vm/home/layout.h"

namespace knaller::vm {
namespace {

using firecracker::RateLimiter;
using firecracker::TokenBucket;

// A bucket of `burst` tokens that is full again after as long as they take at the rate. Of the rate itself
// when nothing else was asked for: refilled in a second.
TokenBucket bucket(const Rate& rate) {
  if (rate.per_second == 0) return {};  // in a patch: take it away
  const uint64_t size = rate.burst == 0 ? rate.per_second : rate.burst;
  const auto refill = static_cast<unsigned __int128>(size) * 1000 / rate.per_second;
  return {.size = size, .refill_time_ms = std::max<uint64_t>(static_cast<uint64_t>(refill), 1)};
}

std::optional<TokenBucket> bucket_if_limited(const Rate& rate) {
  return rate.per_second == 0 ? std::nullopt : std::optional(bucket(rate));
}

}  // namespace

std::optional<RateLimiter> drive_limiter(const Limits& limits) {
  if (limits.disk_bandwidth.per_second == 0 && limits.disk_operations.per_second == 0) return std::nullopt;
  return RateLimiter{.bandwidth = bucket_if_limited(limits.disk_bandwidth),
                     .ops = bucket_if_limited(limits.disk_operations)};
}

std::optional<RateLimiter> network_limiter(const Limits& limits) {
  if (limits.network_bandwidth.per_second == 0) return std::nullopt;
  return RateLimiter{.bandwidth = bucket(limits.network_bandwidth), .ops = std::nullopt};
}

std::vector<firecracker::Request> limiter_requests(const store::Machine& machine) {
  std::vector<firecracker::Request> requests;
  const RateLimiter drive{.bandwidth = bucket(machine.limits.disk_bandwidth),
                          .ops = bucket(machine.limits.disk_operations)};
  for (const char* id : drive_ids(machine))
    requests.push_back(firecracker::patch_drive({.id = id, .rate_limiter = drive}));
  if (!machine.network_device || !engine::family_of(machine.engine).limits_network()) return requests;
  const RateLimiter network{.bandwidth = bucket(machine.limits.network_bandwidth), .ops = std::nullopt};
  requests.push_back(firecracker::patch_network_interface(
      {.id = kNetworkId, .rx_rate_limiter = network, .tx_rate_limiter = network}));
  return requests;
}

bool same_limiters(const Limits& a, const Limits& b) {
  return a.disk_bandwidth == b.disk_bandwidth && a.disk_operations == b.disk_operations &&
         a.network_bandwidth == b.network_bandwidth;
}

}  // namespace knaller::vm
