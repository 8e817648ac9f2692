#include "cli/ssh_options.h"

#include <fmt/format.h>

namespace knaller::cli {

std::string ssh_quoted(std::string_view path) {
  std::string out = "\"";
  for (const char c : path) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%') out += '%';
    out += c;
  }
  return out + "\"";
}

std::vector<std::pair<std::string, std::string>> ssh_settings(const SshTarget& target, bool pinned) {
  return {{"HostName", target.host},
          {"Port", fmt::format("{}", target.port)},
          {"User", target.user},
          {"IdentityFile", ssh_quoted(target.key_file)},
          {"IdentitiesOnly", "yes"},
          {"PreferredAuthentications", "publickey"},
          {"UserKnownHostsFile", ssh_quoted(target.known_hosts_file)},
          {"GlobalKnownHostsFile", "/dev/null"},
          {"HostKeyAlias", target.host_alias},
          {"StrictHostKeyChecking", pinned ? "yes" : "accept-new"},
          // What the user's own configuration has for all hosts must not lead away from the forwarded port.
          {"ProxyCommand", "none"},
          {"ControlPath", "none"}};
}

std::string ssh_stanza(const std::string& name, const SshTarget& target, bool pinned) {
  std::string out = fmt::format("Host {}\n", name);
  for (const auto& [keyword, value] : ssh_settings(target, pinned))
    out += fmt::format("  {} {}\n", keyword, value);
  return out;
}

}  // namespace knaller::cli
