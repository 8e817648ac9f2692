#include "base/available_memory.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {

uint64_t available_memory() {
  const std::string text = read_file("/proc/meminfo", 64 << 10);
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with("MemAvailable:")) continue;
    const std::string_view number = trim(line.substr(line.find(':') + 1));
    const auto kib = parse_integer(number.substr(0, number.find(' ')), 0, INT64_MAX >> 10);
    if (kib) return static_cast<uint64_t>(*kib) << 10;
  }
  fail(Code::kUnsupported, "/proc/meminfo does not say how much memory is available");
}

}  // namespace knaller
