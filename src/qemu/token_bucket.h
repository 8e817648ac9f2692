// Firecracker's rate limiters: two token buckets, one of bytes and one of operations. Pure: the time is an
// argument.
//
// A bucket of `size` tokens begins full and is refilled evenly, all of it in `refill_time`; a one-time burst
// is used up before and never comes back. What is larger than the whole bucket passes when it is full, and is
// paid for afterwards, as in Firecracker. A size or time of 0 limits nothing.
#ifndef KNALLER_QEMU_TOKEN_BUCKET_H_
#define KNALLER_QEMU_TOKEN_BUCKET_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "firecracker/request.h"

namespace knaller::qemu {

class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  TokenBucket(const std::optional<firecracker::TokenBucket>& limit, Clock::time_point now);

  // How long until that many tokens can be taken; 0: now. They are not taken.
  Clock::duration wait_for(uint64_t tokens, Clock::time_point now);
  // After wait_for() said 0.
  void take(uint64_t tokens);
  const std::optional<firecracker::TokenBucket>& limit() const { return limit_; }

 private:
  void refill(Clock::time_point now);
  bool limits() const { return limit_ && limit_->size > 0 && limit_->refill_time_ms > 0; }
  double per_nanosecond() const;

  std::optional<firecracker::TokenBucket> limit_;
  double tokens_ = 0;  // below 0: owed
  uint64_t burst_ = 0;
  Clock::time_point refilled_;
};

class Limiter {
 public:
  using Clock = TokenBucket::Clock;

  Limiter(const std::optional<firecracker::RateLimiter>& limits, Clock::time_point now);

  // Takes the tokens for one frame and returns 0, or takes none and returns how long to wait.
  Clock::duration pass(uint64_t bytes, Clock::time_point now);
  // Buckets that change begin full; the others stay as they are.
  void change(const std::optional<firecracker::RateLimiter>& limits, Clock::time_point now);

 private:
  TokenBucket bandwidth_;
  TokenBucket ops_;
};

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_TOKEN_BUCKET_H_
