#include "qemu/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace knaller::qemu {
namespace {

using Limits = std::optional<firecracker::RateLimiter>;

std::optional<firecracker::TokenBucket> bandwidth_of(const Limits& limits) {
  return limits ? limits->bandwidth : std::nullopt;
}

std::optional<firecracker::TokenBucket> ops_of(const Limits& limits) {
  return limits ? limits->ops : std::nullopt;
}

// A wait that is asked for again when it is over; longer ones would overflow the clock.
constexpr double kLongestWait = 3600e9;

}  // namespace

TokenBucket::TokenBucket(const std::optional<firecracker::TokenBucket>& limit, Clock::time_point now)
    : limit_(limit), refilled_(now) {
  if (!limits()) return;
  tokens_ = static_cast<double>(limit_->size);
  burst_ = limit_->one_time_burst.value_or(0);
}

double TokenBucket::per_nanosecond() const {
  return static_cast<double>(limit_->size) / (static_cast<double>(limit_->refill_time_ms) * 1e6);
}

void TokenBucket::refill(Clock::time_point now) {
  const auto passed = static_cast<double>((now - refilled_).count());
  if (passed <= 0) return;
  tokens_ = std::min(tokens_ + passed * per_nanosecond(), static_cast<double>(limit_->size));
  refilled_ = now;
}

TokenBucket::Clock::duration TokenBucket::wait_for(uint64_t tokens, Clock::time_point now) {
  if (!limits() || burst_ >= tokens) return {};
  refill(now);
  const double needed = static_cast<double>(std::min(tokens - burst_, limit_->size));
  if (tokens_ >= needed) return {};
  const double wait = std::ceil((needed - tokens_) / per_nanosecond());
  return Clock::duration(static_cast<int64_t>(std::clamp(wait, 1.0, kLongestWait)));
}

void TokenBucket::take(uint64_t tokens) {
  if (!limits()) return;
  const uint64_t from_burst = std::min(burst_, tokens);
  burst_ -= from_burst;
  tokens_ -= static_cast<double>(tokens - from_burst);
}

Limiter::Limiter(const Limits& limits, Clock::time_point now)
    : bandwidth_(bandwidth_of(limits), now), ops_(ops_of(limits), now) {}

Limiter::Clock::duration Limiter::pass(uint64_t bytes, Clock::time_point now) {
  const auto wait = std::max(bandwidth_.wait_for(bytes, now), ops_.wait_for(1, now));
  if (wait > Clock::duration::zero()) return wait;
  bandwidth_.take(bytes);
  ops_.take(1);
  return {};
}

void Limiter::change(const Limits& limits, Clock::time_point now) {
  if (bandwidth_.limit() != bandwidth_of(limits)) bandwidth_ = TokenBucket(bandwidth_of(limits), now);
  if (ops_.limit() != ops_of(limits)) ops_ = TokenBucket(ops_of(limits), now);
}

}  // namespace knaller::qemu
