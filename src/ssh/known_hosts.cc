#include "ssh/known_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/text.h"

namespace knaller::ssh {
std::string known_hosts_of(std::string_view alias, std::string_view keys) {
  constexpr size_t kMostKeys = 16;
  constexpr size_t kLongestKey = 8192;
  std::string text;
  size_t count = 0;
  for (const auto line : split(keys, '\n')) {
    if (line.empty()) continue;
    const auto words = split(line, ' ');
    const auto is_plain = [](std::string_view word) {
      return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '@' || c == '.' || c == '+' || c == '/' || c == '=';
      });
    };
    // A line that began with a marker or another name would be about somebody else.
    if (words.size() != 2 || !is_plain(words[0]) || words[0].front() == '@' || !is_plain(words[1]) ||
        line.size() > kLongestKey || ++count > kMostKeys)
      throw Error(Code::kCorrupt,
                  fmt::format("the guest has no SSH host key like '{}'", printable(line.substr(0, 80))));
    text += fmt::format("{} {}\n", alias, line);
  }
  return text;
}

}  // namespace knaller::ssh
