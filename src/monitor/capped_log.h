// A log file that never takes more than its limit: when half of it is full it becomes NAME.1 (the one before
// is dropped), and a new one begins. Failures to write are kept, not thrown: a full disk must not end a VM.
#ifndef KNALLER_MONITOR_CAPPED_LOG_H_
#define KNALLER_MONITOR_CAPPED_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace knaller::monitor {

inline constexpr uint64_t kLogLimit = 16 << 20;

class CappedLog {
 public:
  enum class Begin { kAnew, kAppend };  // kAnew: what is there already becomes NAME.1
  // `dir` is not owned.
  CappedLog(int dir, std::string name, Begin begin = Begin::kAnew, uint64_t limit = kLogLimit);

  void append(std::string_view text);
  bool failing() const { return failing_; }

 private:
  void open();
  void rotate();

  int dir_;
  std::string name_;
  uint64_t limit_;
  uint64_t size_ = 0;
  UniqueFd fd_;
  bool failing_ = false;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CAPPED_LOG_H_
