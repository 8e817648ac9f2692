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

struct SshAccess {
  SshTarget target;
  // For a shell: joins its input and output to the guest's server. Empty: the target's host and port do.
  std::string proxy_command;
  // The guest's host key is known already; a guest that nobody waited for shows its key for the first time.
  bool pinned = true;
};

// "'/usr/bin/knaller' --home '/home/me/.knaller' connect web 22", as ssh_config(5) has it: '%' doubled.
std::string ssh_proxy_command(const std::string& program, const std::string& home, const std::string& name);

// Keyword and value, as they stand in ssh_config(5), quoted. They name every keyword by which a
// configuration that follows could harm; what adds up in ssh_config(5) (SendEnv, IdentityFile,
// CertificateFile and the forwards of ports) can't be kept out by any.
std::vector<std::pair<std::string, std::string>> ssh_settings(const SshAccess& access);

struct SshExtras {
  std::vector<std::string> options;   // of the user, which come before all others
  std::vector<std::string> forwards;  // as `ssh -L`
  bool tty = false;
  std::vector<std::string> command;
};
// argv of an ssh that reads no configuration, neither the user's nor the host's.
std::vector<std::string> ssh_arguments(const std::string& name, const SshAccess& access,
                                       const SshExtras& extras);

// "Host web\n  HostName 127.0.0.1\n…"
std::string ssh_stanza(const std::string& name, const SshAccess& access);
// A value of ssh_config(5): in quotes, with '%' doubled, so that spaces and percent signs are themselves.
std::string ssh_quoted(std::string_view path);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_SSH_OPTIONS_H_
