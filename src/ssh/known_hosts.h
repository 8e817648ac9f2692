// The file that pins a guest's host key: lines "ALIAS TYPE BASE64", as OpenSSH reads them. Pure.
#ifndef KNALLER_SSH_KNOWN_HOSTS_H_
#define KNALLER_SSH_KNOWN_HOSTS_H_

#include <string>
#include <string_view>

namespace knaller::ssh {

// The lines for the keys that a guest says it has, one in each line of its own. kCorrupt for what is no key;
// a guest has a few.
std::string known_hosts_of(std::string_view alias, std::string_view keys);
}  // namespace knaller::ssh

#endif  // KNALLER_SSH_KNOWN_HOSTS_H_
