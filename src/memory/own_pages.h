// Which pages of a process are its own: present or swapped, and not pages of a file. Of a private mapping of
// a file those that were written to, of an anonymous one those that were touched.
#ifndef KNALLER_MEMORY_OWN_PAGES_H_
#define KNALLER_MEMORY_OWN_PAGES_H_

#include <optional>
#include <vector>

#include "base/file.h"

namespace knaller::memory {

// Both take an open /proc/PID/pagemap and whole pages, return addresses in ascending order, and find the
// same. Neither reads the pages themselves, since reading makes them present.

// By ioctl(PAGEMAP_SCAN): the kernel looks for them. Nothing before Linux 6.7, which introduced it.
std::optional<std::vector<Extent>> scan_own_pages(int pagemap, const Extent& addresses);
// By an entry for each page: three times as slow.
std::vector<Extent> read_own_pages(int pagemap, const Extent& addresses);

}  // namespace knaller::memory

#endif  // KNALLER_MEMORY_OWN_PAGES_H_
