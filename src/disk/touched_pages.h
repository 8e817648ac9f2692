// Which pages of a file anybody has read or written since they were forgotten here, by what the kernel's page
// cache holds of it. What nobody has touched can't have changed (ADR 80).
//
//   auto touched = TouchedPages::watch(disk, size, scratch);
//   touched->forget({{0, size}});
//   …the file is read past the page cache, and others use it…
//   for (const Extent& extent : touched->all(deadline)) …
//   if (!touched->is_complete()) …that may be less than all: look at the whole file…
//
// Forgetting drops pages from the page cache: whoever reads them next waits for the host's disk. A page that
// was written since is in the cache, or was evicted for lack of memory, which leaves a mark in its place.
// Whatever could take away the mark too, or the page where the kernel shows no marks, is watched:
// is_complete(). An engine that makes holes in the disk meanwhile has to know of the watch, and does
// (hole_marks.h).
//
// For one thread.
#ifndef KNALLER_DISK_TOUCHED_PAGES_H_
#define KNALLER_DISK_TOUCHED_PAGES_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/page_cache.h"

namespace knaller::disk {

class TouchedPages {
 public:
  // The files stay the caller's and open. `scratch`, an empty one on the same file system, is written to and
  // emptied, to see the page cache at work. Nothing where it can't be told what is touched: on a file system
  // whose page cache is not known, a kernel that does not show it, or another user's file. `marks_kept`: how
  // many of the host's marks, in nodes of its trees, may go before one of this file's can.
  static std::unique_ptr<TouchedPages> watch(int file, uint64_t size, int scratch, uint64_t marks_kept = 0);
  static std::unique_ptr<TouchedPages> watch_by(CacheQuery query, int file, uint64_t size, int scratch,
                                                uint64_t marks_kept = 0);

  // What is written meanwhile stays touched.
  void forget(const std::vector<Extent>& extents) const { drop_cached_pages(file_, extents); }

  // In ascending order, in whole pages.
  std::vector<Extent> all(const Deadline& deadline) const;

  // Whether the last all() has left out nothing that was touched since the watch began.
  bool is_complete() const;
  // The same, once more: some of the kernel's counts come a second late. Waits for that where it matters.
  bool was_complete(const Deadline& deadline) const;

 private:
  // Counts of the kernel, of the whole host.
  struct Losses {
    uint64_t dropped = 0;    // times that an administrator had the cache dropped
    uint64_t reclaimed = 0;  // pages of files that were evicted for lack of memory
    uint64_t unmarked = 0;   // nodes of the cache's trees that had nothing but marks; comes late
  };

  TouchedPages(int file, uint64_t size, CacheQuery query, uint64_t marks_kept, UniqueFd lock, UniqueFd opens)
      : file_(file),
        size_(size),
        query_(query),
        marks_kept_(marks_kept),
        lock_(std::move(lock)),
        opens_(std::move(opens)),
        before_(count_losses()) {}

  static Losses count_losses();
  bool was_opened() const;
  bool has_marks(const Losses& now) const { return now.unmarked - before_.unmarked <= marks_kept_; }

  int file_;
  uint64_t size_;
  CacheQuery query_;
  uint64_t marks_kept_;
  UniqueFd lock_;   // on KNALLER_WATCH_BYTE
  UniqueFd opens_;  // reports everyone who opens the file
  Losses before_;
  mutable std::chrono::steady_clock::time_point looked_{};
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_TOUCHED_PAGES_H_
