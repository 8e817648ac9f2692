#include "base/tsc.h"

#include <time.h>
#include <x86intrin.h>

#include "base/deadline.h"

namespace knaller {
namespace {

uint64_t raw_nanoseconds() {
  timespec time = {};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

TscMeter::Sample TscMeter::sample() {
  // The tightest of some pairs, so that a preemption between the two clocks is not measured.
  Sample best = {};
  uint64_t narrowest = ~0ULL;
  for (int i = 0; i < 8; ++i) {
    const uint64_t before = raw_nanoseconds();
    const uint64_t ticks = __rdtsc();
    const uint64_t after = raw_nanoseconds();
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    best = {ticks, before + narrowest / 2};
  }
  return best;
}

uint64_t TscMeter::khz(std::chrono::milliseconds least) const {
  const uint64_t wanted = static_cast<uint64_t>(least.count()) * 1'000'000;
  const uint64_t passed = raw_nanoseconds() - first_.nanoseconds;
  if (passed < wanted) pause_for(std::chrono::microseconds((wanted - passed) / 1000 + 1), Deadline::never());
  const Sample now = sample();
  return static_cast<uint64_t>(static_cast<unsigned __int128>(now.ticks - first_.ticks) * 1'000'000 /
                               (now.nanoseconds - first_.nanoseconds));
}

}  // namespace knaller
