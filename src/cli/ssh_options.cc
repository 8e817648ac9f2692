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
          // What a configuration has for all hosts, below this: nothing of it may lead away from the
          // forwarded port, run a program, or hand the guest a way back to this host.
          {"IgnoreUnknown", "*"},
          {"ProxyCommand", "none"},
          {"ProxyJump", "none"},
          {"AddressFamily", "inet"},
          {"BindAddress", target.host},
          {"CanonicalizeHostname", "no"},
          {"ControlMaster", "no"},
          {"ControlPath", "none"},
          {"ControlPersist", "no"},
          {"ForwardAgent", "no"},
          {"ForwardX11", "no"},
          {"ForwardX11Trusted", "no"},
          {"GatewayPorts", "no"},
          {"ExitOnForwardFailure", "no"},
          {"Tunnel", "no"},
          {"PermitLocalCommand", "no"},
          {"LocalCommand", "none"},
          {"RemoteCommand", "none"},
          {"RequestTTY", "auto"},
          {"EscapeChar", "~"},
          {"SessionType", "default"},
          {"StdinNull", "no"},
          {"ForkAfterAuthentication", "no"},
          // Can't be empty, and the first one counts.
          {"SetEnv", "KNALLER=1"},
          {"AddKeysToAgent", "no"},
          {"PKCS11Provider", "none"},
          {"GSSAPIAuthentication", "no"},
          {"GSSAPIDelegateCredentials", "no"},
          {"HostbasedAuthentication", "no"},
          {"KnownHostsCommand", "none"},
          {"HashKnownHosts", "no"},
          {"UpdateHostKeys", "no"},
          {"VerifyHostKeyDNS", "no"}};
}

std::vector<std::string> ssh_arguments(const std::string& name, const SshTarget& target, bool pinned,
                                       const SshExtras& extras) {
  std::vector<std::string> argv{"ssh", "-F", "none"};
  const auto add = [&argv](const char* flag, const std::string& value) {
    argv.emplace_back(flag);
    argv.push_back(value);
  };
  // In ssh the first one counts.
  for (const std::string& option : extras.options) add("-o", option);
  for (const auto& [keyword, value] : ssh_settings(target, pinned))
    add("-o", fmt::format("{}={}", keyword, value));
  if (extras.tty) argv.emplace_back("-t");
  for (const std::string& forward : extras.forwards) add("-L", forward);
  // ssh would look for options behind the host, too, without these dashes.
  add("--", name);
  argv.insert(argv.end(), extras.command.begin(), extras.command.end());
  return argv;
}

std::string ssh_stanza(const std::string& name, const SshTarget& target, bool pinned) {
  std::string out = fmt::format("Host {}\n", name);
  for (const auto& [keyword, value] : ssh_settings(target, pinned))
    out += fmt::format("  {} {}\n", keyword, value);
  return out;
}

}  // namespace knaller::cli
