// A log file that never takes more than its limit: when half of it is full it becomes NAME.1 (the one before
// is dropped), and a new one begins. Nor is it written faster than its rate for long: what is beyond that is
// left out, and a line in its place says how much. Some room is kept ahead of it, so that it can continue for
// a while when the disk is full. Failures to write are kept, not thrown: a full disk must not end a VM.
#ifndef KNALLER_MONITOR_CAPPED_LOG_H_
#define KNALLER_MONITOR_CAPPED_LOG_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace knaller::monitor {

inline constexpr uint64_t kLogLimit = 16 << 20;

class CappedLog {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Begin { kAnew, kAppend };  // kAnew: what is there already becomes NAME.1
  struct Rate {
    uint64_t burst = UINT64_MAX;  // bytes that may come at once; they come back at the rate
    uint64_t per_second = 0;
  };
  struct Options {
    Begin begin = Begin::kAnew;
    uint64_t limit = kLogLimit;
    Rate rate = {};
    bool whole =
        false;  // what is appended at once is never cut in two by a rotation, if it is less than half
    uint64_t ahead = 0;  // bytes that the disk keeps free for it
  };
  // `dir` is not owned.
  CappedLog(int dir, std::string name, const Options& options);

  void append(std::string_view text, Clock::time_point now = Clock::now());
  // If something is being left out: `tail`, the last of it, is written after all.
  void end_gap(std::string_view tail);
  bool failing() const { return failing_; }

 private:
  void open();
  void rotate();
  bool has_budget(uint64_t bytes, Clock::time_point now);
  void note_left_out();
  void write(std::string_view text);
  void keep_room();

  int dir_;
  std::string name_;
  Options options_;
  uint64_t size_ = 0;
  uint64_t room_until_ = 0;
  UniqueFd fd_;
  bool failing_ = false;
  double budget_;  // bytes
  Clock::time_point refilled_{};
  uint64_t left_out_ = 0;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CAPPED_LOG_H_
