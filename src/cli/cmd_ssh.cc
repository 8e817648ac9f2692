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

SshExtras extras_of(const Invocation& args) {
  SshExtras extras{.options = args.all("option"),
                   .forwards = args.all("forward"),
                   .tty = args.has("tty"),
                   .command = args.tail};
  if (!extras.command.empty() && extras.command[0] == "--") extras.command.erase(extras.command.begin());
  return extras;
}

}  // namespace

int cmd_ssh(Context& context) {
  const std::string name = context.args().arguments[0];
  const SshTarget target = target_of(context, name);
  const std::string program = find_program("ssh");
  if (program.empty())
    throw Error(Code::kNotFound, "there is no program 'ssh' on PATH", "sudo apt-get install openssh-client");
  const auto arguments = ssh_arguments(name, target, is_pinned(target), extras_of(context.args()));
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
