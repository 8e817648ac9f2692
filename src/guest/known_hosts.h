// The file that pins a guest's host key: lines "ALIAS TYPE BASE64", as OpenSSH reads them. Pure.
#ifndef KNALLER_GUEST_KNOWN_HOSTS_H_
#define KNALLER_GUEST_KNOWN_HOSTS_H_

#include <string>
#include <string_view>
#include <vector>

namespace knaller::guest {

// The keys ("ssh-ed25519 AAAA…") recorded for `alias`. Comments, markers and hashed names are skipped.
std::vector<std::string> pinned_keys(std::string_view known_hosts, std::string_view alias);
// One line with its newline.
std::string known_hosts_line(std::string_view alias, std::string_view key);
// The lines for the keys that a guest says it has, one in each line of its own. kCorrupt for what is no key;
// a guest has a few.
std::string known_hosts_of(std::string_view alias, std::string_view keys);
// libssh's preference list of host key algorithms: those of the pinned keys first, so that a server with
// several keys shows the one that is known, then the others, so that a server without it is told apart from
// one that cannot be talked to.
std::string host_key_algorithms(const std::vector<std::string>& pinned);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_KNOWN_HOSTS_H_
