// Small text helpers: numbers, sizes and durations as users write and read them.
#ifndef KNALLER_BASE_TEXT_H_
#define KNALLER_BASE_TEXT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace knaller {

// The whole text as a decimal number in [least, most]; nothing otherwise (signs, spaces, hex and overflow
// included).
std::optional<int64_t> parse_integer(std::string_view text, int64_t least, int64_t most);
// "512", "512M", "2G", "1.5GiB" -> bytes; a bare number counts `unit` bytes. Nothing when it is not one.
std::optional<uint64_t> parse_size(std::string_view text, uint64_t unit);
// "30", "30s", "500ms", "2m", "1h", "7d", "2w"; a bare number is seconds.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

std::string format_bytes(uint64_t bytes);                         // "1.4 GiB"
std::string format_duration(std::chrono::microseconds duration);  // "0.8 ms", "2.1 s", "3 min"
// RFC 3339 in UTC with nanoseconds, as in "2026-11-23T09:26:15.201145921Z".
std::string format_time(std::chrono::system_clock::time_point time);
std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
bool is_valid_utf8(std::string_view text);
// Control characters, and bytes that are not UTF-8, become \xNN: for showing anything from outside on a
// terminal.
std::string printable(std::string_view text);
// As one word of any shell's, whatever it holds: 'it'\''s'.
std::string quoted_for_shell(std::string_view word);
// The candidate nearest to `word` (edit distance at most 2 and less than its length); empty when none is
// near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

std::string hex(std::string_view bytes);
std::string base64(std::string_view bytes);
std::string random_bytes(size_t count);  // getrandom(2)
std::string make_uuid();                 // random, version 4

}  // namespace knaller

#endif  // KNALLER_BASE_TEXT_H_
