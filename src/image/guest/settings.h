// What knaller writes into a guest's /etc and /root: its name, its name server and the key that enters it.
// The texts are pure. A file that already says what it should is not touched, and none loses a line of its
// owner's.
#ifndef KNALLER_IMAGE_GUEST_SETTINGS_H_
#define KNALLER_IMAGE_GUEST_SETTINGS_H_

#include <string>

namespace knaller::guest_helper {

// With the line "127.0.1.1 NAME", which is Debian's way to make a host's own name resolve, unless the name
// does already. It replaces knaller's own earlier line, and no other.
std::string hosts_with(const std::string& hosts, const std::string& hostname);
// With the server before all others, unless it is among them.
std::string resolv_conf_with(const std::string& resolv_conf, const std::string& server);
// Whether an authorized_keys lets the key in; a line that is commented out does not.
bool holds_key(const std::string& authorized_keys, const std::string& key);

// The files below `root` ("" or "/newroot"). Each returns false with errno set, and what could not be done.
bool write_hostname(const std::string& root, const std::string& hostname, std::string* failed);
bool write_name_server(const std::string& root, const std::string& server, std::string* failed);
bool install_key(const std::string& root, const std::string& key, std::string* failed);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_SETTINGS_H_
