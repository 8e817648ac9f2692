#include "base/error.h"
#include "cli/commands.h"
#include "cli/creation.h"
#include "cli/exit_code.h"
#include "cli/guest_command.h"

namespace knaller::cli {
namespace {

std::string name_of_new_vm(Context& context) {
  const Invocation& args = context.args();
  const auto flag = args.value("name");
  if (flag && !args.arguments.empty()) fail(Code::kInvalidArgument, "the VM's name is given twice");
  const std::string name = flag ? *flag : args.arguments.empty() ? "" : args.arguments[0];
  if (name.empty()) return name;
  check_vm_name(name);
  try {
    context.manager().inspect(name);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return name;
    throw;
  }
  throw Error(Code::kAlreadyExists, fmt::format("there is a VM '{}' already", name),
              fmt::format("`knaller exec {} -- CMD` runs a command in it", name));
}

}  // namespace

int cmd_run(Context& context) {
  const Invocation& args = context.args();
  const bool keep = args.has("keep");
  if (keep && args.has("rm"))
    throw Error(Code::kInvalidArgument, "--keep and --rm exclude each other",
                "run removes the VM unless --keep is given");
  if (args.has("no-wait"))
    throw Error(Code::kInvalidArgument, "run has to wait until the VM is ready", "leave out --no-wait");
  const bool shell = args.tail.empty();
  ExecOptions options = exec_options(context, shell ? std::vector<std::string>{"sh", "-l"} : args.tail);
  if (shell && !options.tty && args.has("no-stdin"))
    throw Error(Code::kInvalidArgument, "no command to run was given", "knaller run -- CMD [ARG…]");

  Started started = start_new(context, name_of_new_vm(context), !keep);
  context.progress().finish();
  const std::string name = started.vm.name;
  if (keep) context.out().note(fmt::format("VM '{}' is kept; `knaller rm -f {}` removes it", name, name));
  int exit_code = kExecFailed;
  try {
    exit_code = run_in_guest(context, name, std::move(options));
  } catch (const Error& error) {
    context.out().error(error);
    if (error.code() == Code::kCancelled) exit_code = context.cancelled_code();
  }
  context.show_timings();
  if (keep) return exit_code;
  try {
    // The tie would have it removed, too; this waits until it is gone.
    context.manager().remove(name, {.force = true});
  } catch (const Error& error) {
    context.out().error(error);
    if (exit_code == 0) exit_code = kExecFailed;
  }
  return exit_code;
}

}  // namespace knaller::cli
