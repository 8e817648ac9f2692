#include "qemu/token_bucket.h"

#include <gtest/gtest.h>

namespace knaller::qemu {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = TokenBucket::Clock::time_point;

constexpr Time kBegin{};

firecracker::TokenBucket bucket(uint64_t size, uint64_t refill_ms, std::optional<uint64_t> burst = {}) {
  return {.size = size, .one_time_burst = burst, .refill_time_ms = refill_ms};
}

// Bytes that pass in frames of 1500 bytes when as much as possible is sent all the time.
uint64_t passed(Limiter& limiter, Time from, seconds length) {
  uint64_t bytes = 0;
  for (Time now = from; now < from + length;) {
    const auto wait = limiter.pass(1500, now);
    now += wait;
    if (wait == decltype(wait)::zero()) bytes += 1500;
  }
  return bytes;
}

TEST(TokenBucketTest, BeginsFullAndIsRefilledEvenly) {
  TokenBucket tokens(bucket(1000, 100), kBegin);
  EXPECT_EQ(tokens.wait_for(1000, kBegin), milliseconds(0));
  tokens.take(1000);
  EXPECT_EQ(tokens.wait_for(500, kBegin), milliseconds(50));
  EXPECT_EQ(tokens.wait_for(500, kBegin + milliseconds(20)), milliseconds(30));
  EXPECT_EQ(tokens.wait_for(500, kBegin + milliseconds(50)), milliseconds(0));
}

TEST(TokenBucketTest, HoldsNoMoreThanItsSize) {
  TokenBucket tokens(bucket(1000, 100), kBegin);
  EXPECT_EQ(tokens.wait_for(1000, kBegin + seconds(60)), milliseconds(0));
  tokens.take(1000);
  EXPECT_EQ(tokens.wait_for(1000, kBegin + seconds(60)), milliseconds(100));
}

TEST(TokenBucketTest, TheBurstIsUsedFirstAndOnce) {
  TokenBucket tokens(bucket(100, 100, 250), kBegin);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(tokens.wait_for(100, kBegin), milliseconds(0)) << i;
    tokens.take(100);
  }
  // 250 of the burst, 50 of the bucket.
  EXPECT_EQ(tokens.wait_for(100, kBegin), milliseconds(50));
  EXPECT_EQ(tokens.wait_for(100, kBegin + seconds(60)), milliseconds(0));
  tokens.take(100);
  EXPECT_EQ(tokens.wait_for(100, kBegin + seconds(60)), milliseconds(100));
}

TEST(TokenBucketTest, WhatIsLargerThanTheBucketPassesAndIsPaidForAfterwards) {
  TokenBucket tokens(bucket(1000, 100), kBegin);
  EXPECT_EQ(tokens.wait_for(1500, kBegin), milliseconds(0));
  tokens.take(1500);
  EXPECT_EQ(tokens.wait_for(1500, kBegin), milliseconds(150));
}

TEST(TokenBucketTest, NothingAndZeroesLimitNothing) {
  for (const auto& limit : {std::optional<firecracker::TokenBucket>(), std::optional(bucket(0, 100, 5)),
                            std::optional(bucket(100, 0))}) {
    TokenBucket tokens(limit, kBegin);
    tokens.take(1 << 30);
    EXPECT_EQ(tokens.wait_for(1 << 30, kBegin), milliseconds(0));
  }
}

TEST(TokenBucketTest, TheLargestNumbersDoNotOverflow) {
  TokenBucket slow(bucket(1, UINT64_MAX), kBegin);
  slow.take(UINT64_MAX);
  EXPECT_GT(slow.wait_for(UINT64_MAX, kBegin), seconds(60));
  TokenBucket wide(bucket(UINT64_MAX, 1, UINT64_MAX), kBegin);
  wide.take(1);
  EXPECT_EQ(wide.wait_for(1, kBegin), milliseconds(0));
}

TEST(LimiterTest, KeepsTheRateOverTime) {
  Limiter limiter(firecracker::RateLimiter{bucket(10'000, 100), {}}, kBegin);
  EXPECT_NEAR(static_cast<double>(passed(limiter, kBegin, seconds(10))), 1e6, 2e4);
}

TEST(LimiterTest, TheStricterOfBothBucketsCounts) {
  Limiter limiter(firecracker::RateLimiter{bucket(1'000'000, 100), bucket(10, 1000)}, kBegin);
  EXPECT_NEAR(static_cast<double>(passed(limiter, kBegin, seconds(10))), 1500 * 110, 1500);
}

TEST(LimiterTest, WhatMustWaitTakesNothing) {
  Limiter limiter(firecracker::RateLimiter{bucket(1500, 1000), bucket(2, 1000)}, kBegin);
  EXPECT_EQ(limiter.pass(1500, kBegin), milliseconds(0));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter.pass(1500, kBegin), milliseconds(1000));
  EXPECT_EQ(limiter.pass(1500, kBegin + seconds(1)), milliseconds(0));
}

TEST(LimiterTest, AChangedBucketBeginsFullAndTheOtherStays) {
  Limiter limiter(firecracker::RateLimiter{bucket(1500, 1000), bucket(1, 1000)}, kBegin);
  EXPECT_EQ(limiter.pass(1500, kBegin), milliseconds(0));
  limiter.change(firecracker::RateLimiter{bucket(0, 0), bucket(1, 1000)}, kBegin);
  EXPECT_EQ(limiter.pass(1500, kBegin), milliseconds(1000));  // the operations
  limiter.change(firecracker::RateLimiter{bucket(0, 0), bucket(5, 1000)}, kBegin);
  EXPECT_EQ(limiter.pass(1500, kBegin), milliseconds(0));
  limiter.change({}, kBegin);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(limiter.pass(1500, kBegin), milliseconds(0));
}

}  // namespace
}  // namespace knaller::qemu
