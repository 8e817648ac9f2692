// Whether anybody began to write to a file since a moment, by its modification time.
//
// What is said is certain for write(2) and its kin: file times are taken from a clock that ticks every few
// milliseconds, and its next tick is awaited, so a later write gives a later time. Who writes through a
// mapping, or sets the time himself, is not seen; no engine does either.
#ifndef KNALLER_DISK_WRITE_STAMP_H_
#define KNALLER_DISK_WRITE_STAMP_H_

#include <ctime>

#include "base/deadline.h"

namespace knaller::disk {

class WriteStamp {
 public:
  // The moment is some time during this call. Waits up to a few ticks for the clock; a file that is written
  // all the time, or whose time is yet to come, counts as written ever after.
  static WriteStamp take(int fd, const Deadline& deadline);

  WriteStamp() = default;  // as of a file that was written

  // Certain.
  bool is_unwritten(int fd) const;
  // Only that its time is the same. As certain, but for a time that is yet to come.
  bool shows_no_write(int fd) const;

 private:
  struct timespec modified_ = {};
  bool is_certain_ = false;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_WRITE_STAMP_H_
