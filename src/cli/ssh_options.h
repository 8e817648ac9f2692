// How the ssh program is told to enter a VM: options for its command line and stanzas for its configuration.
// Pure.
#ifndef KNALLER_CLI_SSH_OPTIONS_H_
#define KNALLER_CLI_SSH_OPTIONS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "knaller/manager.h"

namespace knaller::cli {

// Keyword and value, as they stand in ssh_config(5), quoted. `pinned`: the guest's host key is known already;
// a guest that nobody waited for shows its key for the first time.
std::vector<std::pair<std::string, std::string>> ssh_settings(const SshTarget& target, bool pinned);
// "Host web\n  HostName 127.0.0.1\n…"
std::string ssh_stanza(const std::string& name, const SshTarget& target, bool pinned);
// A value of ssh_config(5): in quotes, with '%' doubled, so that spaces and percent signs are themselves.
std::string ssh_quoted(std::string_view path);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_SSH_OPTIONS_H_
