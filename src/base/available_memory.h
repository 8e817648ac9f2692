// How much memory the host has, and can still give.
#ifndef KNALLER_BASE_AVAILABLE_MEMORY_H_
#define KNALLER_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>

namespace knaller {

// Bytes that programs can have without anything being swapped out: MemAvailable of /proc/meminfo.
uint64_t available_memory();
// Bytes that this process and its children can have at most: MemTotal, or less where a control group (version
// 2) that it is in has a limit.
uint64_t total_memory();

}  // namespace knaller

#endif  // KNALLER_BASE_AVAILABLE_MEMORY_H_
