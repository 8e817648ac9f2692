// The keys by which the guest's SSH server shows who it is.
#ifndef KNALLER_IMAGE_GUEST_HOST_KEYS_H_
#define KNALLER_IMAGE_GUEST_HOST_KEYS_H_

#include <string>
#include <string_view>

namespace knaller::guest_helper {

// The public ones, a line each: "ssh-ed25519 AAAA…". None for a guest without a server that keeps them in the
// usual places.
std::string host_keys();

// The line for one of dropbear's key files, which hold private and public part; empty for what is no such
// Ed25519 key. Pure.
std::string public_line_of(std::string_view dropbear_key);
// Of OpenSSH's public key file, without its comment; empty for what is none. Pure.
std::string line_without_comment(std::string_view public_key);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_HOST_KEYS_H_
