// Whether anybody began to write to a file since a moment, by its modification time.
//
// The answer is certain for write(2) and the like: file times are taken from a clock that ticks every few
// milliseconds, and its next tick is awaited, so a later write gives a later time. Writing through a mapping,
// or setting the time, goes unseen; no engine does either.
#ifndef KNALLER_DISK_WRITE_STAMP_H_
#define KNALLER_DISK_WRITE_STAMP_H_

#include <ctime>

#include "base/deadline.h"

namespace knaller::disk {

class WriteStamp {
 public:
  // The moment is some time during this call. Waits up to a few ticks for the clock; a file that is written
  // all the time, or whose time is in the future, counts as written from then on.
  static WriteStamp take(int fd, const Deadline& deadline);

  WriteStamp() = default;  // as of a file that was written

  // Certain.
  bool is_unwritten(int fd) const;
  // Only that its time is the same. As certain, except for a time in the future.
  bool shows_no_write(int fd) const;

 private:
  struct timespec modified_ = {};
  bool is_certain_ = false;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_WRITE_STAMP_H_
