// What users of ssh, scp, sftp and rsync put into ~/.ssh/config to enter a VM. Pure.
#ifndef KNALLER_GUEST_SSH_CONFIG_H_
#define KNALLER_GUEST_SSH_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "knaller/manager.h"

namespace knaller::guest {

// One "Host" stanza. kUnsupported for a path that ssh's configuration cannot hold (a line break or a quote).
std::string ssh_config_stanza(std::string_view host, const SshTarget& target);
// The same as arguments of the ssh program, the destination last: {"-F", "none", "-p", …, "root@127.0.0.1"}.
std::vector<std::string> ssh_arguments(const SshTarget& target);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_SSH_CONFIG_H_
