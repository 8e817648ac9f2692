// ssh, ssh-config.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/ssh_options.h"

namespace knaller::cli {
namespace {

bool is_pinned(const SshTarget& target) {
  std::error_code error;
  const auto size = std::filesystem::file_size(target.known_hosts_file, error);
  return !error && size > 0;
}

SshAccess access_of(Context& context, const std::string& name) {
  check_vm_name(name);
  SshTarget target;
  suggest_vm(context, name, [&] { target = context.manager().ssh_target(name); });
  if (const auto user = context.args().get<std::string>("user")) target.user = *user;
  std::string proxy;
  if (target.has_agent)
    proxy = ssh_proxy_command(std::filesystem::read_symlink("/proc/self/exe").string(),
                              context.manager().home(), name);
  const bool pinned = is_pinned(target);
  return {.target = std::move(target), .proxy_command = std::move(proxy), .pinned = pinned};
}

SshExtras extras_of(const Invocation& args) {
  SshExtras extras{.options = args.all<std::string>("option"),
                   .forwards = args.all<std::string>("forward"),
                   .tty = args.has("tty"),
                   .command = args.tail};
  if (!extras.command.empty() && extras.command[0] == "--") extras.command.erase(extras.command.begin());
  return extras;
}

std::string doubled_percents(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '%' ? 2 : 1, c);
  return out;
}

}  // namespace

std::string ssh_quoted(std::string_view path) {
  std::string out = "\"";
  for (const char c : doubled_percents(path)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string ssh_proxy_command(const std::string& program, const std::string& home, const std::string& name) {
  return doubled_percents(fmt::format("{} --home {} connect {} 22", quoted_for_shell(program),
                                      quoted_for_shell(home), quoted_for_shell(name)));
}

std::vector<std::pair<std::string, std::string>> ssh_settings(const SshAccess& access) {
  const SshTarget& target = access.target;
  return {{"HostName", target.host},
          {"Port", fmt::format("{}", access.proxy_command.empty() ? target.port : 22)},
          {"User", target.user},
          {"IdentityFile", ssh_quoted(target.key_file)},
          {"IdentitiesOnly", "yes"},
          {"PreferredAuthentications", "publickey"},
          {"UserKnownHostsFile", ssh_quoted(target.known_hosts_file)},
          {"GlobalKnownHostsFile", "/dev/null"},
          {"HostKeyAlias", target.host_alias},
          {"StrictHostKeyChecking", access.pinned ? "yes" : "accept-new"},
          // What a configuration has for all hosts, below this: nothing of it may lead away from the
          // forwarded port, run a program, or hand the guest a way back to this host.
          {"IgnoreUnknown", "*"},
          {"ProxyCommand", access.proxy_command.empty() ? "none" : access.proxy_command},
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

std::vector<std::string> ssh_arguments(const std::string& name, const SshAccess& access,
                                       const SshExtras& extras) {
  std::vector<std::string> argv{"ssh", "-F", "none"};
  const auto add = [&argv](const char* flag, const std::string& value) {
    argv.emplace_back(flag);
    argv.push_back(value);
  };
  // In ssh the first one counts.
  for (const std::string& option : extras.options) add("-o", option);
  for (const auto& [keyword, value] : ssh_settings(access)) add("-o", fmt::format("{}={}", keyword, value));
  if (extras.tty) argv.emplace_back("-t");
  for (const std::string& forward : extras.forwards) add("-L", forward);
  // ssh would look for options behind the host, too, without these dashes.
  add("--", name);
  argv.insert(argv.end(), extras.command.begin(), extras.command.end());
  return argv;
}

std::string ssh_stanza(const std::string& name, const SshAccess& access) {
  std::string out = fmt::format("Host {}\n", name);
  for (const auto& [keyword, value] : ssh_settings(access)) out += fmt::format("  {} {}\n", keyword, value);
  return out;
}

int cmd_ssh(Context& context) {
  const std::string name = context.args().arguments[0];
  const SshAccess access = access_of(context, name);
  const std::string program = find_program("ssh");
  if (program.empty())
    throw Error(Code::kNotFound, "there is no program 'ssh' on PATH", "sudo apt-get install openssh-client");
  const auto arguments = ssh_arguments(name, access, extras_of(context.args()));
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(program.c_str(), argv.data());
  fail_errno("run '{}'", program);
}

int cmd_ssh_config(Context& context) {
  const auto& names = context.args().arguments;
  if (context.out().json())
    return for_each_name(context, names, [&context](const std::string& name) {
      const SshAccess access = access_of(context, name);
      const SshTarget& target = access.target;
      return Json{{"host", target.host},
                  {"port", target.port},
                  {"proxy_command", access.proxy_command},
                  {"user", target.user},
                  {"key_file", target.key_file},
                  {"known_hosts_file", target.known_hosts_file},
                  {"host_alias", target.host_alias}};
    });
  return for_each_name_quietly(context, names, [&context](const std::string& name) {
    context.out().raw(ssh_stanza(name, access_of(context, name)));
    return Json();
  });
}

}  // namespace knaller::cli
