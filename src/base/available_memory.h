// How much memory the host has, and can still give.
#ifndef KNALLER_BASE_AVAILABLE_MEMORY_H_
#define KNALLER_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace knaller {

// Bytes that this process can have without anything being swapped out or killed: MemAvailable of
// /proc/meminfo, or what the limits of its control groups leave, if that is less.
uint64_t available_memory();
// Bytes that this process and its children can have at most: MemTotal, or less where a control group that it
// is in has a limit.
uint64_t total_memory();

// What the tightest of the limits leaves, by the texts of /proc/self/cgroup and /proc/self/mountinfo: of
// versions 1 and 2, of the group and of all above it that are mounted here. Page cache that can be given back
// counts as left. UINT64_MAX without any limit; a group that can't be read has none.
uint64_t left_by_control_groups(std::string_view groups, std::string_view mounts);
// The tightest of these limits itself.
uint64_t limit_of_control_groups(std::string_view groups, std::string_view mounts);

}  // namespace knaller

#endif  // KNALLER_BASE_AVAILABLE_MEMORY_H_
