// A copy of a disk as it is at one instant, though a guest writes to it until that instant.
//
//   InstantCopy copy(disk, target);
//   copy.copy_ahead(deadline);      the guest runs: almost all of the work
//   …pause the guest…
//   copy.complete(deadline);        it stands still: what it changed since is brought over
//
// What changed is found by looking, never by trust in what the engine says: where the file system shares
// extents there is nothing to find; a disk whose modification time shows that no write began since the copy
// was made is left alone; else the data of both files is compared, at the speed of memory (ADR 50).
#ifndef KNALLER_DISK_INSTANT_COPY_H_
#define KNALLER_DISK_INSTANT_COPY_H_

#include <sys/stat.h>

#include <cstdint>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"

namespace knaller::disk {

class InstantCopy {
 public:
  // Both stay the caller's and open; `target` is a new, empty file.
  InstantCopy(int disk, int target) : disk_(disk), target_(target) {}

  void copy_ahead(const Deadline& deadline);
  // The engine has written out what it held (every snapshot of a state does that) and writes nothing until
  // this returns.
  void complete(const Deadline& deadline);

  uint64_t bytes_copied_late() const { return late_; }  // by complete()

 private:
  void wait_for_a_quiet_start(const Deadline& deadline);
  bool is_untouched() const;
  void punch_new_holes(const std::vector<Extent>& data, const Deadline& deadline);
  void bring_over(const std::vector<Extent>& data, const Deadline& deadline);

  int disk_;
  int target_;
  bool shares_ = false;  // the file system shares extents: a copy costs nothing at any time
  struct timespec modified_ = {};
  uint64_t size_ = 0;
  uint64_t late_ = 0;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_INSTANT_COPY_H_
