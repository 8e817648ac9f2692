#include "base/available_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/group_place.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr size_t kLargestList = 1 << 20;

// The files of a control group, in both versions.
struct Names {
  std::vector<std::string> limits;
  std::string usage;
  // In memory.stat, of the group and those below it.
  std::vector<std::string> reclaimable;
};
const Names kVersion1 = {
    {"memory.limit_in_bytes"}, "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};
const Names kVersion2 = {{"memory.max", "memory.high"}, "memory.current", {"inactive_file", "active_file"}};

// Empty where the kernel has no control groups.
std::string list_of(const std::string& path) {
  return read_file_if_exists(AT_FDCWD, path, kLargestList).value_or("");
}

// Nothing for "max", or a file that is not there.
std::optional<uint64_t> number_in(const std::string& path) {
  try {
    const std::string text = read_file(path);
    if (const auto number = parse_integer(trim(text), 0, INT64_MAX)) return static_cast<uint64_t>(*number);
  } catch (const Error&) {
  }
  return std::nullopt;
}

uint64_t reclaimable_in(const std::string& folder, const Names& names) {
  uint64_t bytes = 0;
  try {
    const std::string text = read_file(folder + "/memory.stat");
    for (const std::string_view line : split(text, '\n')) {
      const size_t space = std::min(line.find(' '), line.size());
      if (std::ranges::find(names.reclaimable, line.substr(0, space)) == names.reclaimable.end()) continue;
      bytes += static_cast<uint64_t>(parse_integer(trim(line.substr(space)), 0, INT64_MAX).value_or(0));
    }
  } catch (const Error&) {
  }
  return bytes;
}

uint64_t limit_of_group(const std::string& folder, const Names& names) {
  uint64_t limit = UINT64_MAX;
  for (const std::string& name : names.limits)
    limit = std::min(limit, number_in(folder + "/" + name).value_or(UINT64_MAX));
  return limit;
}

uint64_t left_by_group(const std::string& folder, const Names& names) {
  uint64_t left = UINT64_MAX;
  const auto usage = number_in(folder + "/" + names.usage);
  for (const std::string& name : names.limits) {
    const auto limit = number_in(folder + "/" + name);
    if (!limit || !usage) continue;
    const uint64_t used = *usage - std::min(*usage, reclaimable_in(folder, names));
    left = std::min(left, *limit - std::min(*limit, used));
  }
  return left;
}

// Of a group, in bytes: what its limits are, or leave.
using GroupMemory = uint64_t (*)(const std::string& folder, const Names& names);

// The least of all groups from this one up to the top of what is mounted: each limits what is below it.
uint64_t least_from(const GroupMount& mount, std::string_view group, const Names& names,
                    GroupMemory memory_of) {
  std::string path = below_mount(mount, group);
  uint64_t least = memory_of(mount.point, names);
  for (; path.size() > 1; path.resize(path.rfind('/')))
    least = std::min(least, memory_of(mount.point + path, names));
  return least;
}

// The least of all hierarchies that limit memory, of both versions.
uint64_t least_of_control_groups(std::string_view groups, std::string_view mounts, GroupMemory memory_of) {
  uint64_t least = UINT64_MAX;
  for (const std::string_view line : split(groups, '\n')) {
    // "ID:CONTROLLERS:PATH"; version 2 names no controllers.
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = split(line.substr(first + 1, second - first - 1), ',');
    const bool version_2 = second == first + 1;
    if (!version_2 && std::ranges::find(controllers, "memory") == controllers.end()) continue;
    const auto mount = find_group_mount(mounts, version_2 ? GroupVersion::k2 : GroupVersion::k1);
    if (!mount) continue;
    least = std::min(
        least, least_from(*mount, line.substr(second + 1), version_2 ? kVersion2 : kVersion1, memory_of));
  }
  return least;
}

uint64_t memory_of_host(std::string_view row) {
  const std::string text = read_file("/proc/meminfo", 64 << 10);
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with(row)) continue;
    const std::string_view number = trim(line.substr(line.find(':') + 1));
    const auto kib = parse_integer(number.substr(0, number.find(' ')), 0, INT64_MAX >> 10);
    if (kib) return static_cast<uint64_t>(*kib) << 10;
  }
  fail(Code::kUnsupported, "/proc/meminfo has no row '{}'", row);
}

}  // namespace

uint64_t limit_of_control_groups(std::string_view groups, std::string_view mounts) {
  return least_of_control_groups(groups, mounts, limit_of_group);
}

uint64_t left_by_control_groups(std::string_view groups, std::string_view mounts) {
  return least_of_control_groups(groups, mounts, left_by_group);
}

uint64_t total_memory() {
  return std::min(memory_of_host("MemTotal:"),
                  limit_of_control_groups(list_of("/proc/self/cgroup"), list_of("/proc/self/mountinfo")));
}

uint64_t available_memory() {
  return std::min(memory_of_host("MemAvailable:"),
                  left_by_control_groups(list_of("/proc/self/cgroup"), list_of("/proc/self/mountinfo")));
}

}  // namespace knaller
