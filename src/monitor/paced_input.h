// What an engine writes into a pipe, read at a pace that bounds what it costs: at most one piece every few
// milliseconds. A guest's console comes byte by byte, which would be a wake-up and a write each; an engine
// that writes as fast as it can is held up by its full pipe. The event loop's thread only.
#ifndef KNALLER_MONITOR_PACED_INPUT_H_
#define KNALLER_MONITOR_PACED_INPUT_H_

#include <functional>
#include <string_view>

#include "monitor/loop.h"

namespace knaller::monitor {

class PacedInput {
 public:
  // `fd` is not owned, and does not block.
  PacedInput(Loop& loop, int fd, std::function<void(std::string_view)> take);
  PacedInput(const PacedInput&) = delete;
  PacedInput& operator=(const PacedInput&) = delete;

  // What a writer that has ended left behind: at most what a pipe holds.
  void drain();

 private:
  enum class Piece { kTaken, kNone, kEnd };
  Piece read_piece();
  void on_readable();

  Loop& loop_;
  int fd_;
  std::function<void(std::string_view)> take_;
  Loop::Watch watch_;
  Loop::Timer rest_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_PACED_INPUT_H_
