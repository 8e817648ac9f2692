// /proc/PID/maps, read defensively: a process chooses the names of the files that it maps.
#include <charconv>

#include "base/text.h"
#include "memory/guest_memory.h"

namespace knaller::memory {
namespace {

// Takes a number from the front of `text`, and the separator behind it.
bool take_number(std::string_view& text, int base, char separator, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data() + text.size() || *end != separator) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

// "7f2a40000000-7f2a50000000 rw-p 00000000 fe:00 9977920      /vm/memory"
std::optional<Mapping> parse_mapping(std::string_view line) {
  Mapping mapping;
  if (!take_number(line, 16, '-', mapping.start) || !take_number(line, 16, ' ', mapping.end)) return {};
  if (line.size() < 5 || line[4] != ' ' || mapping.end < mapping.start) return {};
  mapping.writable = line[1] == 'w';
  mapping.shared = line[3] == 's';
  line.remove_prefix(5);
  uint64_t device_part = 0;
  if (!take_number(line, 16, ' ', mapping.offset)) return {};
  if (!take_number(line, 16, ':', device_part) || !take_number(line, 16, ' ', device_part)) return {};
  const std::string_view inode = line.substr(0, line.find(' '));
  const auto number = parse_integer(inode, 0, INT64_MAX);
  if (!number) return {};
  mapping.inode = static_cast<uint64_t>(*number);
  mapping.path = trim(line.substr(inode.size()));
  return mapping;
}

}  // namespace

std::vector<Mapping> parse_mappings(const std::string& maps) {
  std::vector<Mapping> mappings;
  for (const std::string_view line : split(maps, '\n')) {
    if (auto mapping = parse_mapping(line)) mappings.push_back(std::move(*mapping));
  }
  return mappings;
}

}  // namespace knaller::memory
