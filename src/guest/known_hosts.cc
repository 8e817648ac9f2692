#include "guest/known_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/text.h"

namespace knaller::guest {
namespace {

constexpr std::array<std::string_view, 6> kAlgorithms{"ssh-ed25519",         "ecdsa-sha2-nistp256",
                                                      "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
                                                      "rsa-sha2-512",        "rsa-sha2-256"};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const auto word : split(trim(line), ' '))
    if (!word.empty()) words.push_back(word);
  return words;
}

bool names(std::string_view hosts, std::string_view alias) {
  const auto list = split(hosts, ',');
  return std::find(list.begin(), list.end(), alias) != list.end();
}

// An RSA key ("ssh-rsa") signs with either of two algorithms.
bool serves(std::string_view algorithm, std::string_view key) {
  const std::string_view type = key.substr(0, key.find(' '));
  return type == "ssh-rsa" ? algorithm.starts_with("rsa-sha2-") : algorithm == type;
}

}  // namespace

std::vector<std::string> pinned_keys(std::string_view known_hosts, std::string_view alias) {
  std::vector<std::string> keys;
  for (const auto line : split(known_hosts, '\n')) {
    const auto words = words_of(line);
    if (words.size() < 3 || words[0].front() == '#' || words[0].front() == '@' || !names(words[0], alias))
      continue;
    keys.push_back(fmt::format("{} {}", words[1], words[2]));
  }
  return keys;
}

std::string known_hosts_line(std::string_view alias, std::string_view key) {
  return fmt::format("{} {}\n", alias, key);
}

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
    text += known_hosts_line(alias, line);
  }
  return text;
}

std::string host_key_algorithms(const std::vector<std::string>& pinned) {
  auto ordered = kAlgorithms;
  std::stable_partition(ordered.begin(), ordered.end(), [&](std::string_view algorithm) {
    return std::any_of(pinned.begin(), pinned.end(), [&](const auto& key) { return serves(algorithm, key); });
  });
  return fmt::format("{}", fmt::join(ordered, ","));
}

}  // namespace knaller::guest
