#include "image/guest/host_keys.h"

#include "image/guest/base64.h"
#include "image/guest/files.h"

namespace knaller::guest_helper {
namespace {

constexpr char kDropbearKey[] = "/etc/dropbear/dropbear_ed25519_host_key";
constexpr const char* kOpenSshKeys[] = {"/etc/ssh/ssh_host_ed25519_key.pub",
                                        "/etc/ssh/ssh_host_ecdsa_key.pub", "/etc/ssh/ssh_host_rsa_key.pub"};
constexpr std::string_view kType = "ssh-ed25519";
constexpr size_t kHalf = 32;

// A length of four bytes, the highest first, and so many bytes (RFC 4251 §5).
std::string with_length(std::string_view bytes) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text.push_back(static_cast<char>(bytes.size() >> shift));
  return text.append(bytes);
}

}  // namespace

std::string public_line_of(std::string_view dropbear_key) {
  const std::string begin = with_length(kType);
  if (!dropbear_key.starts_with(begin)) return {};
  dropbear_key.remove_prefix(begin.size());
  const std::string both = with_length(std::string(2 * kHalf, '\0'));
  if (dropbear_key.size() < both.size() || dropbear_key.substr(0, 4) != both.substr(0, 4)) return {};
  const std::string_view key = dropbear_key.substr(4 + kHalf, kHalf);
  return std::string(kType) + " " + encode_base64(begin + with_length(key)) + "\n";
}

std::string line_without_comment(std::string_view public_key) {
  public_key = public_key.substr(0, public_key.find('\n'));
  const size_t type = public_key.find(' ');
  if (type == std::string_view::npos) return {};
  return std::string(public_key.substr(0, public_key.find(' ', type + 1))) + "\n";
}

std::string host_keys() {
  std::string lines, content;
  for (const char* path : kOpenSshKeys)
    if (read_file(path, &content)) lines += line_without_comment(content);
  if (read_file(kDropbearKey, &content)) lines += public_line_of(content);
  return lines;
}

}  // namespace knaller::guest_helper
