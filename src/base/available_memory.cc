#include "base/available_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
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

// Where a hierarchy is mounted: what of it is the folder `point`.
struct Mount {
  std::string root, point;
};

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

// The mount of cgroup2, or of version 1's hierarchy that has the controller "memory".
std::optional<Mount> mount_of(std::string_view mounts, bool version_2) {
  for (const std::string_view line : split(mounts, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.end() - dash < 4 || dash - fields.begin() < 6 || dash[1] != (version_2 ? "cgroup2" : "cgroup"))
      continue;
    const auto options = split(dash[3], ',');
    if (!version_2 && std::ranges::find(options, "memory") == options.end()) continue;
    return Mount{std::string(fields[3]), std::string(fields[4])};
  }
  return std::nullopt;
}

// From the group up to what is mounted. A group of which the mount does not say where it lies is its top.
uint64_t left_from(const Mount& mount, std::string_view group, const Names& names) {
  if (mount.root != "/" && group.starts_with(mount.root)) group.remove_prefix(mount.root.size());
  std::string path(group.find("/..") == std::string_view::npos ? group : "");
  uint64_t left = left_by_group(mount.point, names);
  for (; path.size() > 1; path.resize(path.rfind('/')))
    left = std::min(left, left_by_group(mount.point + path, names));
  return left;
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

// "0::/user.slice/session-1.scope": the group of version 2; empty when there is none.
std::string own_control_group() {
  const auto text = read_file_if_exists(AT_FDCWD, "/proc/self/cgroup", 64 << 10);
  if (!text) return {};
  for (const std::string_view line : split(*text, '\n'))
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  return {};
}

uint64_t limit_of(const std::string& group) {
  const auto text = read_file_if_exists(AT_FDCWD, "/sys/fs/cgroup" + group + "/memory.max", 64);
  const auto number = text ? parse_integer(trim(*text), 0, INT64_MAX) : std::nullopt;
  return number ? static_cast<uint64_t>(*number) : UINT64_MAX;
}

}  // namespace

uint64_t total_memory() {
  uint64_t least = memory_of_host("MemTotal:");
  // Each group above it limits it, too.
  for (std::string group = own_control_group();; group.resize(group.rfind('/'))) {
    least = std::min(least, limit_of(group));
    if (group.empty()) return least;
  }
}

uint64_t left_by_control_groups(std::string_view groups, std::string_view mounts) {
  uint64_t left = UINT64_MAX;
  for (const std::string_view line : split(groups, '\n')) {
    // "ID:CONTROLLERS:PATH"; version 2 names no controllers.
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = split(line.substr(first + 1, second - first - 1), ',');
    const bool version_2 = second == first + 1;
    if (!version_2 && std::ranges::find(controllers, "memory") == controllers.end()) continue;
    if (const auto mount = mount_of(mounts, version_2))
      left = std::min(left, left_from(*mount, line.substr(second + 1), version_2 ? kVersion2 : kVersion1));
  }
  return left;
}

uint64_t available_memory() {
  return std::min(memory_of_host("MemAvailable:"),
                  left_by_control_groups(read_file("/proc/self/cgroup", kLargestList),
                                         read_file("/proc/self/mountinfo", kLargestList)));
}

}  // namespace knaller
