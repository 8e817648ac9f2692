// How many pages differ between two memory files: on all cores, and holes cost nothing.
#ifndef KNALLER_MEMORY_COMPARE_H_
#define KNALLER_MEMORY_COMPARE_H_

#include <cstdint>

#include "base/deadline.h"

namespace knaller::memory {

struct PageDifference {
  uint64_t differing = 0;
  uint64_t pages = 0;  // of the longer file; 4 KiB each
};

// What one file has beyond the other's end is compared with zeros. The files stay the caller's.
PageDifference compare_pages(int a, int b, const Deadline& deadline);

}  // namespace knaller::memory

#endif  // KNALLER_MEMORY_COMPARE_H_
