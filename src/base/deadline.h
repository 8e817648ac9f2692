// One absolute deadline, passed down through every blocking call, together with the caller's wish to stop.
#ifndef KNALLER_BASE_DEADLINE_H_
#define KNALLER_BASE_DEADLINE_H_

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

namespace knaller {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline never(std::stop_token stop = {});
  static Deadline after(Clock::duration duration, std::stop_token stop = {});
  static Deadline at(Clock::time_point when, std::stop_token stop = {});

  // The earlier of this and `duration` from now; keeps the stop token.
  Deadline sooner(Clock::duration duration) const;

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

  Clock::time_point when_;
  std::stop_token stop_;
};

// Waits until one of `events` (POLLIN, …) is there. Returns what poll(2) reported, 0 when the deadline
// passed. Throws kCancelled when the deadline's stop token is asked to stop.
short poll_until(int fd, short events, const Deadline& deadline);

// The same, and a passed deadline is kTimeout: "timed out waiting for <what>".
void wait_readable(int fd, const Deadline& deadline, std::string_view what);
void wait_writable(int fd, const Deadline& deadline, std::string_view what);

// Sleeps for `duration`, cut short by the deadline or the stop token. For connect-and-retry loops only.
void pause_for(std::chrono::microseconds duration, const Deadline& deadline);

}  // namespace knaller

#endif  // KNALLER_BASE_DEADLINE_H_
