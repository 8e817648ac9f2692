#include "image/guest/boot_config.h"

#include <arpa/inet.h>

#include "image/guest/base64.h"

namespace knaller::guest_helper {
namespace {

bool parse_address(std::string_view text, in_addr* address) {
  return inet_pton(AF_INET, std::string(text).c_str(), address) == 1;
}

bool parse_prefix(std::string_view text, in_addr* netmask) {
  if (text.empty() || text.size() > 2) return false;
  unsigned prefix = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    prefix = prefix * 10 + static_cast<unsigned>(c - '0');
  }
  if (prefix < 1 || prefix > 32) return false;
  netmask->s_addr = htonl(~0U << (32 - prefix));
  return true;
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// One "knaller.<name>=<value>" word.
bool take_word(std::string_view name, std::string_view value, BootConfig* config) {
  if (name == "root") {
    config->overlay = value == "overlay";
    return value == "overlay" || value == "plain";
  }
  if (name == "net") return parse_network(value, &config->network);
  if (name == "hostname") {
    config->hostname = value;
    return is_hostname(value);
  }
  if (name == "key") {
    config->key = value;
    return is_ed25519_key(value);
  }
  return true;  // a newer host's word
}

}  // namespace

bool parse_network(std::string_view text, NetworkConfig* network) {
  const size_t slash = text.find('/');
  const size_t first = text.find(',');
  if (slash == std::string_view::npos || first == std::string_view::npos || slash > first) return false;
  const size_t second = text.find(',', first + 1);
  if (second == std::string_view::npos) return false;
  in_addr dns{};
  network->dns = text.substr(second + 1);
  network->present = parse_address(text.substr(0, slash), &network->address) &&
                     parse_prefix(text.substr(slash + 1, first - slash - 1), &network->netmask) &&
                     parse_address(text.substr(first + 1, second - first - 1), &network->gateway) &&
                     parse_address(network->dns, &dns);
  return network->present;
}

bool is_hostname(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  char before = '.';
  for (const char c : text) {
    if (c == '.' && !is_alphanumeric(before)) return false;
    if (c == '-' && before == '.') return false;
    // An underscore is no host name's letter, but a VM's name may hold one.
    if (!is_alphanumeric(c) && c != '-' && c != '.' && c != '_') return false;
    before = c;
  }
  return before != '-' && before != '.';
}

bool is_ed25519_key(std::string_view text) {
  static constexpr std::string_view kHead("\0\0\0\x0bssh-ed25519\0\0\0\x20", 19);
  std::string blob;
  return decode_base64(text, &blob) && blob.size() == 51 && blob.compare(0, kHead.size(), kHead) == 0;
}

bool parse_boot_config(std::string_view line, BootConfig* config, std::string* error) {
  static constexpr std::string_view kPrefix = "knaller.";
  while (!line.empty()) {
    const size_t end = line.find_first_of(" \t\n");
    const std::string_view word = line.substr(0, end);
    line = end == std::string_view::npos ? std::string_view{} : line.substr(end + 1);
    if (word == "ro") config->read_only = true;
    if (word == "rw") config->read_only = false;
    if (word.substr(0, 5) == "init=" && word.size() > 6 && word[5] == '/') config->init = word.substr(5);
    if (word.substr(0, kPrefix.size()) != kPrefix) continue;
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos ||
        !take_word(word.substr(kPrefix.size(), equals - kPrefix.size()), word.substr(equals + 1), config)) {
      *error = "cannot understand '" + std::string(word) + "' on the kernel command line";
      return false;
    }
  }
  return true;
}

}  // namespace knaller::guest_helper
