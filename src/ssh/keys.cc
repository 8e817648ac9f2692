#include "ssh/keys.h"

#include <array>
#include <memory>

#include "base/error.h"
#include "base/libcrypto.h"
#include "base/text.h"

namespace knaller::ssh {
namespace {

constexpr char kType[] = "ssh-ed25519";
constexpr size_t kKeyBytes = 32;
constexpr size_t kLineBytes = 70;  // of base64, as ssh-keygen breaks it
// What is padded to; encryption would need it.
constexpr size_t kBlockBytes = 8;

using Half = std::array<unsigned char, kKeyBytes>;

struct RawKey {
  Half secret, open;
};

RawKey generate() {
  const LibCrypto& crypto = libcrypto();
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      crypto.EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), crypto.EVP_PKEY_free);
  RawKey raw;
  size_t secret = kKeyBytes, open = kKeyBytes;
  if (!key || crypto.EVP_PKEY_get_raw_private_key(key.get(), raw.secret.data(), &secret) != 1 ||
      crypto.EVP_PKEY_get_raw_public_key(key.get(), raw.open.data(), &open) != 1 || secret != kKeyBytes ||
      open != kKeyBytes)
    fail(Code::kInternal, "cannot make an ed25519 key");
  return raw;
}

std::string number(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}

// As SSH writes it: its length, and then it.
std::string field(std::string_view bytes) {
  return number(static_cast<uint32_t>(bytes.size())) + std::string(bytes);
}

std::string_view bytes_of(const Half& half) {
  return {reinterpret_cast<const char*>(half.data()), half.size()};
}

std::string public_blob(const RawKey& key) {
  return field(kType) + field(bytes_of(key.open));
}

// https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key, without a passphrase.
std::string private_blob(const RawKey& key, const std::string& comment) {
  const std::string check = random_bytes(4);
  std::string secret = check + check + public_blob(key) +
                       field(std::string(bytes_of(key.secret)) + std::string(bytes_of(key.open))) +
                       field(comment);
  for (char pad = 1; secret.size() % kBlockBytes != 0; ++pad) secret += pad;
  return std::string("openssh-key-v1") + '\0' + field("none") + field("none") + field("") + number(1) +
         field(public_blob(key)) + field(secret);
}

std::string in_lines(const std::string& text) {
  std::string lines;
  for (size_t at = 0; at < text.size(); at += kLineBytes) lines += text.substr(at, kLineBytes) + "\n";
  return lines;
}

}  // namespace

KeyPair make_ed25519_key(const std::string& comment) {
  if (comment.find('\n') != std::string::npos)
    fail(Code::kInvalidArgument, "the comment of a key must be one line");
  const RawKey key = generate();
  return {.private_key = "-----BEGIN OPENSSH PRIVATE KEY-----\n" +
                         in_lines(base64(private_blob(key, comment))) + "-----END OPENSSH PRIVATE KEY-----\n",
          .public_line = fmt::format("{} {} {}", kType, base64(public_blob(key)), comment)};
}

std::string public_key_base64(const std::string& public_line) {
  const auto words = split(trim(public_line), ' ');
  if (words.size() < 2) fail(Code::kCorrupt, "'{}' is not a public key", printable(public_line));
  return std::string(words[1]);
}

}  // namespace knaller::ssh
