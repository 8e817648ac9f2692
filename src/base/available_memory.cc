#include "base/available_memory.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

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

uint64_t available_memory() {
  return memory_of_host("MemAvailable:");
}

uint64_t total_memory() {
  uint64_t least = memory_of_host("MemTotal:");
  // Each group above it limits it, too.
  for (std::string group = own_control_group();; group.resize(group.rfind('/'))) {
    least = std::min(least, limit_of(group));
    if (group.empty()) return least;
  }
}

}  // namespace knaller
