// Keys with which knaller's user enters guests by ssh.
#ifndef KNALLER_SSH_KEYS_H_
#define KNALLER_SSH_KEYS_H_

#include <string>

namespace knaller::ssh {

struct KeyPair {
  std::string private_key;  // the text of a private key file in OpenSSH's format, without a passphrase
  std::string public_line;  // "ssh-ed25519 AAAA… comment", without a newline
};

KeyPair make_ed25519_key(const std::string& comment);
// The base64 part of a public line, as it appears on a guest's kernel command line.
std::string public_key_base64(const std::string& public_line);

}  // namespace knaller::ssh

#endif  // KNALLER_SSH_KEYS_H_
