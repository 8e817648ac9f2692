#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/ssh_options.h"

namespace knaller::cli {
namespace {

SshTarget target_of(Context& context, const std::string& name) {
  check_vm_name(name);
  SshTarget target;
  suggest_vm(context, name, [&] { target = context.manager().ssh_target(name); });
  if (const auto user = context.args().value("user")) target.user = *user;
  return target;
}

bool is_pinned(const SshTarget& target) {
  std::error_code error;
  const auto size = std::filesystem::file_size(target.known_hosts_file, error);
  return !error && size > 0;
}

std::vector<std::string> ssh_arguments(const Invocation& args, const std::string& name,
                                       const SshTarget& target) {
  std::vector<std::string> argv{"ssh"};
  for (const auto& [keyword, value] : ssh_settings(target, is_pinned(target))) {
    argv.emplace_back("-o");
    argv.push_back(fmt::format("{}={}", keyword, value));
  }
  if (args.has("tty")) argv.emplace_back("-t");
  for (const std::string& option : args.all("option")) {
    argv.emplace_back("-o");
    argv.push_back(option);
  }
  for (const std::string& forward : args.all("forward")) {
    argv.emplace_back("-L");
    argv.push_back(forward);
  }
  // ssh would look for options behind the host, too, without these dashes.
  argv.emplace_back("--");
  argv.push_back(name);
  std::vector<std::string> command = args.tail;
  if (!command.empty() && command[0] == "--") command.erase(command.begin());
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

}  // namespace

int cmd_ssh(Context& context) {
  const std::string name = context.args().arguments[0];
  const SshTarget target = target_of(context, name);
  const std::string program = find_program("ssh");
  if (program.empty())
    throw Error(Code::kNotFound, "there is no program 'ssh' on PATH", "sudo apt-get install openssh-client");
  const auto arguments = ssh_arguments(context.args(), name, target);
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
      const SshTarget target = target_of(context, name);
      return Json{{"host", target.host},
                  {"port", target.port},
                  {"user", target.user},
                  {"key_file", target.key_file},
                  {"known_hosts_file", target.known_hosts_file},
                  {"host_alias", target.host_alias}};
    });
  return for_each_name_quietly(context, names, [&context](const std::string& name) {
    const SshTarget target = target_of(context, name);
    context.out().raw(ssh_stanza(name, target, is_pinned(target)));
    return Json();
  });
}

}  // namespace knaller::cli
