#include "guest/ssh_config.h"

#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace knaller::guest {
namespace {

// In a path, ssh takes "%" for the start of a token, and "${" for that of an environment variable, which
// cannot be escaped.
std::string path_value(const std::string& path) {
  if (path.find_first_of("\"\r\n") != std::string::npos || path.find("${") != std::string::npos)
    throw Error(Code::kUnsupported,
                fmt::format("ssh's configuration cannot hold the path '{}'", printable(path)),
                "set KNALLER_HOME to a folder without quotes, line breaks and '${' in its path");
  std::string value = "\"";
  for (const char c : path) value += c == '%' ? "%%" : std::string(1, c);
  return value + "\"";
}

std::vector<std::pair<std::string, std::string>> settings(const SshTarget& target) {
  return {{"HostName", target.host},
          {"Port", std::to_string(target.port)},
          {"User", target.user},
          {"IdentityFile", path_value(target.key_file)},
          {"IdentitiesOnly", "yes"},
          {"UserKnownHostsFile", path_value(target.known_hosts_file)},
          {"GlobalKnownHostsFile", "/dev/null"},
          {"HostKeyAlias", target.host_alias},
          {"StrictHostKeyChecking", "yes"},
          {"UpdateHostKeys", "no"},
          {"CheckHostIP", "no"},
          {"LogLevel", "ERROR"}};
}

}  // namespace

std::string ssh_config_stanza(std::string_view host, const SshTarget& target) {
  std::string stanza = fmt::format("Host {}\n", host);
  for (const auto& [name, value] : settings(target)) stanza += fmt::format("  {} {}\n", name, value);
  return stanza;
}

std::vector<std::string> ssh_arguments(const SshTarget& target) {
  std::vector<std::string> arguments{"-F", "none"};
  for (const auto& [name, value] : settings(target)) {
    arguments.push_back("-o");
    arguments.push_back(fmt::format("{}={}", name, value));
  }
  arguments.push_back(fmt::format("{}@{}", target.user, target.host));
  return arguments;
}

}  // namespace knaller::guest
