// A copy of a disk as it is at one instant, though a guest writes to it until that instant.
//
//   InstantCopy copy(disk, target, {.longest_pause = …});
//   copy.copy_ahead(deadline);      the guest runs: almost all of the work
//   …pause the guest…
//   copy.complete(deadline);        it stands still: what it changed since is copied
//   …let it run…
//   copy.finish(deadline);          what had to wait for the host, and the last check
//
// What changed is found by looking, never by trust in what the engine says (ADRs 50 and 80):
// - where the file system shares extents there is nothing to find;
// - a disk whose modification time shows that no write began since the last look is left alone;
// - a disk of much data is copied past the page cache, which then holds what was touched since: that is
//   copied again and again, until little is left for the pause;
// - else the data of both files is compared, at the speed of memory for as much as that holds.
// In the pause little is written to the copy, or nothing: what has changed is kept in memory until finish().
#ifndef KNALLER_DISK_INSTANT_COPY_H_
#define KNALLER_DISK_INSTANT_COPY_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"
#include "disk/direct_reader.h"
#include "disk/late_writes.h"
#include "disk/touched_pages.h"
#include "disk/write_stamp.h"

namespace knaller::disk {

struct InstantCopyOptions {
  // copy_ahead() fails rather than leave more to the pause than can be done in that.
  std::chrono::milliseconds longest_pause = std::chrono::seconds(5);
  // Bytes of data: a disk with no more is compared in the pause, some 20 ms, and stays in the page cache.
  uint64_t small_disk = 64 << 20;
  // See TouchedPages.
  uint64_t marks_kept = 0;
};

class InstantCopy {
 public:
  // Both stay the caller's and open; `target` is a new, empty file.
  InstantCopy(int disk, int target, InstantCopyOptions options = {});

  // About how much room the copy takes.
  uint64_t bytes_to_store() const { return shares_ ? 0 : allocated_bytes(disk_); }

  // kBusy when the guest writes more than can be copied in the pause; the hint says what helps.
  void copy_ahead(const Deadline& deadline);
  // The engine has written out what it held (every snapshot of a state does that) and writes nothing until
  // this returns. May be called again, if the guest turns out not to have stood still. kBusy as above.
  void complete(const Deadline& deadline);
  // kBusy when the host, short of memory, may have lost track of something that changed.
  void finish(const Deadline& deadline) const;
  // Once the copy is on the host's disk: drops it from the page cache if that does not hold it anyway.
  void let_go() const;

  uint64_t bytes_copied_late() const { return late_; }     // by complete(), as far as known to differ
  uint64_t bytes_looked_at_late() const { return seen_; }  // by complete()

 private:
  void flush_ahead(const Deadline& deadline) const;
  bool copy_past_page_cache(const Deadline& deadline);
  void copy_directly(const DirectReader& reader, const Deadline& deadline);
  uint64_t follow(const DirectReader& reader, const Deadline& deadline);
  void compare_ahead(const Deadline& deadline);
  void compare(const Deadline& deadline);
  void bring_over_touched(const Deadline& deadline);
  void note_what_is_stored();
  void make_room(uint64_t bytes);
  std::vector<Extent> new_holes(const std::vector<Extent>& data) const;
  void check_late_bytes(uint64_t bytes) const;
  // At most 35 years: so that what can be copied in them has a number of bytes, too.
  uint64_t milliseconds_of_pause() const {
    return std::min(static_cast<uint64_t>(options_.longest_pause.count()), uint64_t{1} << 40);
  }
  [[noreturn]] void fail_for_writes(const std::string& what) const;
  [[noreturn]] void fail_for_memory() const;

  int disk_;
  int target_;
  InstantCopyOptions options_;
  uint64_t size_;
  bool shares_;  // the file system shares extents: a copy costs nothing at any time
  WriteStamp untouched_since_;
  std::unique_ptr<TouchedPages> touched_;  // none of a small disk, or where it can't be told
  bool relied_on_touched_ = false;
  bool drop_behind_ = false;    // of the target, what is written
  std::vector<Extent> stored_;  // outside of these, the target is a hole
  LateWrites late_writes_;
  uint64_t late_ = 0;
  uint64_t seen_ = 0;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_INSTANT_COPY_H_
