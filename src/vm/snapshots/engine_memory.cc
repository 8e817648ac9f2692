#include "vm/snapshots/engine_memory.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::vm {

uint64_t cache_marks_kept(pid_t engine) {
  constexpr uint64_t kPageKib = 4;
  const auto nodes = read_file_if_exists(AT_FDCWD, "/sys/devices/system/node/online");
  if (!nodes || trim(*nodes) != "0") return 0;
  const auto status = read_file_if_exists(AT_FDCWD, fmt::format("/proc/{}/status", engine));
  if (!status) return 0;
  uint64_t kib = 0;
  for (const std::string_view line : split(*status, '\n')) {
    if (!line.starts_with("RssAnon:") && !line.starts_with("RssShmem:")) continue;
    const std::string_view number = trim(line.substr(line.find(':') + 1));
    kib += static_cast<uint64_t>(
        parse_integer(number.substr(0, number.find(' ')), 0, INT64_MAX >> 10).value_or(0));
  }
  return kib / kPageKib / 8 / 2;
}

}  // namespace knaller::vm
