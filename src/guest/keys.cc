#include "guest/keys.h"

#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "guest/libssh_types.h"

namespace knaller::guest {

KeyPair make_ed25519_key(const std::string& comment) {
  if (comment.find('\n') != std::string::npos)
    fail(Code::kInvalidArgument, "the comment of a key must be one line");
  ssh_key generated = nullptr;
  if (libssh().ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &generated) != SSH_OK)
    fail(Code::kInternal, "cannot make an ed25519 key");
  const KeyHandle key(generated);
  char* text = nullptr;
  if (libssh().ssh_pki_export_privkey_base64(key.get(), nullptr, nullptr, nullptr, &text) != SSH_OK)
    fail(Code::kInternal, "cannot write an ed25519 key");
  const SshString private_key(text);
  if (libssh().ssh_pki_export_pubkey_base64(key.get(), &text) != SSH_OK)
    fail(Code::kInternal, "cannot write an ed25519 key");
  const SshString public_key(text);
  return {private_key.get(), fmt::format("ssh-ed25519 {} {}", public_key.get(), comment)};
}

std::string public_key_base64(const std::string& public_line) {
  const auto words = split(trim(public_line), ' ');
  if (words.size() < 2) fail(Code::kCorrupt, "'{}' is not a public key", printable(public_line));
  return std::string(words[1]);
}

}  // namespace knaller::guest
