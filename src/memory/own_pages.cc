#include "memory/own_pages.h"

#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <span>

#include "base/error.h"
#include "base/page.h"
#include "memory/process_file.h"

namespace knaller::memory {
namespace {

// From linux/fs.h of 6.7, which Debian 12 does not have.
struct PageRegion {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t categories = 0;
};

struct PageScan {
  uint64_t size = sizeof(PageScan);
  uint64_t flags = 0;
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t walk_end = 0;  // how far the kernel came
  uint64_t vec = 0;
  uint64_t vec_len = 0;
  uint64_t max_pages = 0;
  uint64_t category_inverted = 0;
  uint64_t category_mask = 0;
  uint64_t category_anyof_mask = 0;
  uint64_t return_mask = 0;
};

constexpr unsigned long kPagemapScan = _IOWR('f', 16, PageScan);
constexpr uint64_t kIsFile = 1 << 2;
constexpr uint64_t kIsPresent = 1 << 3;
constexpr uint64_t kIsSwapped = 1 << 4;

}  // namespace

std::optional<std::vector<Extent>> scan_own_pages(int pagemap, const Extent& addresses) {
  std::array<PageRegion, 512> regions;
  std::vector<Extent> own;
  PageScan scan = {.end = addresses.end,
                   .vec = reinterpret_cast<uint64_t>(regions.data()),
                   .vec_len = regions.size(),
                   .category_inverted = kIsFile,
                   .category_mask = kIsFile,
                   .category_anyof_mask = kIsPresent | kIsSwapped};
  for (scan.start = addresses.begin; scan.start < addresses.end; scan.start = scan.walk_end) {
    const int found = ::ioctl(pagemap, kPagemapScan, &scan);
    if (found < 0 && errno == EINTR) {
      scan.walk_end = scan.start;
      continue;
    }
    if (found < 0 && errno == ENOTTY) return std::nullopt;
    if (found < 0) fail_errno("read which pages a process changed");
    for (const PageRegion& region : std::span(regions).first(static_cast<size_t>(found)))
      append(own, {region.start, region.end});
  }
  return own;
}

std::vector<Extent> read_own_pages(int pagemap, const Extent& addresses) {
  constexpr uint64_t kPresent = 1ULL << 63;
  constexpr uint64_t kSwapped = 1ULL << 62;
  constexpr uint64_t kOfFile = 1ULL << 61;
  thread_local std::vector<uint64_t> entries;
  entries.resize(addresses.size() / kPage);
  read_or_fail(pagemap, entries.data(), entries.size() * sizeof(uint64_t),
               static_cast<off_t>(addresses.begin / kPage * sizeof(uint64_t)),
               "read which pages a process changed");
  std::vector<Extent> own;
  for (uint64_t page = 0; page < entries.size(); ++page) {
    const uint64_t entry = entries[page];
    const uint64_t at = addresses.begin + page * kPage;
    if ((entry & kSwapped) != 0 || ((entry & kPresent) != 0 && (entry & kOfFile) == 0))
      append(own, {at, at + kPage});
  }
  return own;
}

}  // namespace knaller::memory
