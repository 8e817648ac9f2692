#include "disk/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/page.h"
#include "base/parallel.h"

namespace knaller::disk {
namespace {

// Asked about in one call; where it has anything, each of its sixteenths is, and so on down to a page.
constexpr uint64_t kRegion = 16 << 20;
constexpr uint64_t kFanOut = 16;

// cachestat(2), which the C library of Debian 12 does not know.
constexpr long kCacheStat = 451;
struct CacheRange {
  uint64_t begin, size;
};
struct CacheState {
  uint64_t cached, dirty, under_writeback, evicted, recently_evicted;
};

bool has_any(int fd, const Extent& extent) {
  CacheRange range{extent.begin, extent.size()};
  CacheState state{};
  if (::syscall(kCacheStat, fd, &range, &state, 0) == 0) return state.cached + state.evicted > 0;
  if (errno == ENOSYS) fail(Code::kUnsupported, "this kernel has no cachestat(2)");
  fail_errno("ask what the page cache holds of a disk");
}

void find_by_statistics(int fd, const Extent& within, std::vector<Extent>& found) {
  if (!has_any(fd, within)) return;
  if (within.size() <= kPage) return append(found, within);
  const uint64_t piece = std::max(within.size() / kFanOut / kPage * kPage, kPage);
  for (uint64_t at = within.begin; at < within.end; at += piece)
    find_by_statistics(fd, {at, std::min(at + piece, within.end)}, found);
}

void find_by_residency(int fd, const Extent& within, std::vector<Extent>& found) {
  void* const mapped =
      ::mmap(nullptr, within.size(), PROT_READ, MAP_SHARED, fd, static_cast<off_t>(within.begin));
  if (mapped == MAP_FAILED) fail_errno("map a disk");
  std::vector<unsigned char> resident((within.size() + kPage - 1) / kPage);
  const bool known = ::mincore(mapped, within.size(), resident.data()) == 0;
  const int saved_errno = errno;
  ::munmap(mapped, within.size());
  if (!known) throw errno_error(saved_errno, "ask which pages of a disk are in memory");
  for (size_t page = 0; page < resident.size(); ++page) {
    const uint64_t at = within.begin + page * kPage;
    if ((resident[page] & 1) != 0) append(found, {at, std::min(at + kPage, within.end)});
  }
}

}  // namespace

std::vector<Extent> cached_pages(int fd, uint64_t size, CacheQuery query, const Deadline& deadline) {
  if (size == 0 || (query == CacheQuery::kStatistics && !has_any(fd, {0, size}))) return {};
  std::vector<std::vector<Extent>> of_region((size + kRegion - 1) / kRegion);
  for_each_in_parallel(of_region.size(), [&](size_t region) {
    deadline.check("a look at what the page cache holds of a disk");
    const Extent within{region * kRegion, std::min((region + 1) * kRegion, size)};
    if (query == CacheQuery::kStatistics)
      find_by_statistics(fd, within, of_region[region]);
    else
      find_by_residency(fd, within, of_region[region]);
  });
  std::vector<Extent> found;
  for (const std::vector<Extent>& some : of_region)
    for (const Extent& extent : some) append(found, extent);
  return found;
}

void drop_cached_pages(int fd, const std::vector<Extent>& extents) {
  for (const Extent& extent : extents) write_back(fd, extent);
  for (const Extent& extent : extents) {
    // Whole pages only are dropped.
    const uint64_t end = (extent.end + kPage - 1) / kPage * kPage;
    const int error = ::posix_fadvise(fd, static_cast<off_t>(extent.begin),
                                      static_cast<off_t>(end - extent.begin), POSIX_FADV_DONTNEED);
    if (error != 0) throw errno_error(error, "drop a disk from the page cache");
  }
}

// What can't be begun now is written later.
void begin_write_back(int fd, const Extent& extent) {
  ::sync_file_range(fd, static_cast<off_t>(extent.begin), static_cast<off_t>(extent.size()),
                    SYNC_FILE_RANGE_WRITE);
}

void write_back(int fd, const Extent& extent) {
  if (::sync_file_range(fd, static_cast<off_t>(extent.begin), static_cast<off_t>(extent.size()),
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) !=
      0)
    fail_errno("write a disk to the host's disk");
}

}  // namespace knaller::disk
