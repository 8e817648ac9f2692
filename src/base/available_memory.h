// How much memory the host can still give.
#ifndef KNALLER_BASE_AVAILABLE_MEMORY_H_
#define KNALLER_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>

namespace knaller {

// Bytes that programs can have without anything being swapped out: MemAvailable of /proc/meminfo.
uint64_t available_memory();

}  // namespace knaller

#endif  // KNALLER_BASE_AVAILABLE_MEMORY_H_
