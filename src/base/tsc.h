// The rate of the host's time stamp counter (x86).
#ifndef KNALLER_BASE_TSC_H_
#define KNALLER_BASE_TSC_H_

#include <chrono>
#include <cstdint>

namespace knaller {

// Measures the time stamp counter against CLOCK_MONOTONIC_RAW from its construction on, so that it can use
// all the time until the result is needed.
class TscMeter {
 public:
  TscMeter() : first_(sample()) {}
  // Waits until at least `least` has passed since the construction: 10 ms give some 10 parts in a million.
  uint64_t khz(std::chrono::milliseconds least = std::chrono::milliseconds(10)) const;

 private:
  struct Sample {
    uint64_t ticks;
    uint64_t nanoseconds;
  };
  static Sample sample();

  Sample first_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_TSC_H_
