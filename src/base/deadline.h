// One absolute deadline, passed down through every blocking call, together with the caller's wish to stop.
#ifndef KNALLER_BASE_DEADLINE_H_
#define KNALLER_BASE_DEADLINE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

namespace knaller {

// In nanoseconds, which reach 292 years; anything longer, such as milliseconds::max() for "no limit", becomes
// that much. The implicit conversion would overflow.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds saturated(std::chrono::duration<Rep, Period> duration) {
  using std::chrono::nanoseconds;
  constexpr auto kMost = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(nanoseconds::max());
  if (duration >= kMost) return nanoseconds::max();
  if (duration <= -kMost) return -nanoseconds::max();
  return std::chrono::duration_cast<nanoseconds>(duration);
}

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline never(std::stop_token stop = {});
  // However long, and negative ones, too.
  template <class Rep = int64_t, class Period = std::nano>
  static Deadline after(std::chrono::duration<Rep, Period> duration, std::stop_token stop = {}) {
    return after_nanoseconds(saturated(duration), std::move(stop));
  }
  static Deadline at(Clock::time_point when, std::stop_token stop = {});

  // The earlier of this and `duration` from now; keeps the stop token.
  template <class Rep = int64_t, class Period = std::nano>
  Deadline sooner(std::chrono::duration<Rep, Period> duration) const {
    return Deadline(std::min(when_, after(duration).when_), stop_);
  }
  // `duration` after this.
  template <class Rep = int64_t, class Period = std::nano>
  Deadline later(std::chrono::duration<Rep, Period> duration) const {
    return Deadline(when_ + std::min(saturated(duration), Clock::time_point::max() - when_), stop_);
  }

  bool expired() const { return Clock::now() >= when_; }
  bool stopped() const { return stop_.stop_requested(); }
  Clock::time_point when() const { return when_; }
  const std::stop_token& stop() const { return stop_; }
  // Milliseconds left, rounded up, never negative; -1 for "never". The form poll(2) takes.
  int poll_timeout() const;
  // Throws kTimeout or kCancelled ("… while waiting for <what>").
  void check(std::string_view what) const;

 private:
  Deadline(Clock::time_point when, std::stop_token stop) : when_(when), stop_(std::move(stop)) {}
  static Deadline after_nanoseconds(std::chrono::nanoseconds duration, std::stop_token stop);

  Clock::time_point when_;
  std::stop_token stop_;
};

// Waits until one of `events` (POLLIN, …) is there. Returns what poll(2) reported, 0 when the deadline
// passed. Throws kCancelled when the deadline's stop token is asked to stop.
short poll_until(int fd, short events, const Deadline& deadline);

// The same, and a passed deadline is kTimeout: "timed out waiting for <what>".
void wait_readable(int fd, const Deadline& deadline, std::string_view what);
void wait_writable(int fd, const Deadline& deadline, std::string_view what);

// Sleeps for `duration`, cut short by the deadline; throws kCancelled when asked to stop. Only for what the
// kernel reports no event for.
void pause_for(std::chrono::microseconds duration, const Deadline& deadline);

}  // namespace knaller

#endif  // KNALLER_BASE_DEADLINE_H_
