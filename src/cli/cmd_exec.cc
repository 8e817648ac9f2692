#include "base/error.h"
#include "cli/commands.h"
#include "cli/guest_command.h"

namespace knaller::cli {

int cmd_exec(Context& context) {
  const Invocation& args = context.args();
  std::vector<std::string> argv = args.tail;
  // `exec web -- ls` and, as with docker, `exec web ls`.
  if (!argv.empty() && argv[0] == "--") argv.erase(argv.begin());
  const std::string name = args.arguments[0];
  if (argv.empty())
    throw Error(Code::kInvalidArgument, "no command to run was given",
                fmt::format("`knaller ssh {}` opens a shell", name));
  check_vm_name(name);
  return run_in_guest(context, name, exec_options(context, std::move(argv)));
}

}  // namespace knaller::cli
