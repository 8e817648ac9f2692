// What the kernel's page cache holds of a file, and how to have it hold less.
#ifndef KNALLER_DISK_PAGE_CACHE_H_
#define KNALLER_DISK_PAGE_CACHE_H_

#include <cstdint>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"

namespace knaller::disk {

// How the kernel is asked.
enum class CacheQuery {
  // cachestat(2), from Linux 6.5 on: what is there, and what was evicted for lack of memory. Some 12 us for a
  // single page, nothing for what was never there.
  kStatistics,
  // mincore(2): what is there; 15 ms for a GiB.
  kResidency,
};

// The pages of the file's first `size` bytes that the cache holds (and, with kStatistics, held), in ascending
// order. kUnsupported where the kernel knows no such call.
std::vector<Extent> cached_pages(int fd, uint64_t size, CacheQuery query, const Deadline& deadline);

// Writes the pages to the host's disk and drops them from the cache, with the marks of those that were
// evicted. What is used at the same time stays.
void drop_cached_pages(int fd, const std::vector<Extent>& extents);

// Has dirty pages written to the host's disk, so that whoever flushes next need not; not durable. The first
// one does not wait for it.
void begin_write_back(int fd, const Extent& extent);
void write_back(int fd, const Extent& extent);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_PAGE_CACHE_H_
