// What knaller tells a guest on the kernel command line (docs/formats/image.md: "knaller.*"). Pure; nothing
// here touches the system. Unknown words are the kernel's or the user's and are ignored; a malformed
// knaller.* word is an error, because going on with half of what was asked for would be harder to understand.
#ifndef KNALLER_IMAGE_GUEST_BOOT_CONFIG_H_
#define KNALLER_IMAGE_GUEST_BOOT_CONFIG_H_

#include <netinet/in.h>

#include <string>
#include <string_view>

namespace knaller::guest_helper {

struct NetworkConfig {
  bool present = false;
  in_addr address{};
  in_addr netmask{};
  in_addr gateway{};
  std::string dns;  // as written
};

struct BootConfig {
  bool overlay = false;    // vda read-only below vdb; else vda is the root file system
  bool read_only = false;  // of a plain root: "ro" without a later "rw"
  NetworkConfig network;
  std::string hostname;  // empty: leave as it is
  std::string key;       // base64 part of an ssh-ed25519 public key; empty: none
  std::string init = "/sbin/init";
};

// False, and why in `error`, when a knaller.* word can't be understood.
bool parse_boot_config(std::string_view command_line, BootConfig* config, std::string* error);

// "10.0.0.2/30,10.0.0.1,10.0.0.53"
bool parse_network(std::string_view text, NetworkConfig* network);
// RFC 1123: labels of letters, digits and hyphens, and underscores, which a VM's name may have; at most 64
// bytes, which is what the kernel takes.
bool is_hostname(std::string_view text);
// The base64 part of an ssh-ed25519 public key, exactly: 51 bytes that begin with the key type's own length
// and name.
bool is_ed25519_key(std::string_view text);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_BOOT_CONFIG_H_
