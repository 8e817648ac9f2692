#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/terminal.h"

namespace knaller::cli {
int cmd_logs(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  if (out.json())
    throw Error(Code::kUnsupported, "`logs` has no JSON output",
                "`knaller inspect` prints the VM's state as JSON");
  LogOptions options{.vm = one_vm(context),
                     .engine = args.has("engine"),
                     .lines = args.get<int64_t>("lines").value_or(-1),
                     .follow = args.has("follow"),
                     .stop = context.stop()};
  check_vm_name(options.vm);
  ConsoleFilter filter;
  const auto write = [&](std::string_view piece) {
    out.raw(out.out().terminal ? filter.filter(piece) : std::string(piece));
  };
  try {
    suggest_vm(context, options.vm, [&] { context.manager().logs(options, write); });
  } catch (const Error& error) {
    // Ctrl-C is how one leaves `logs -f`.
    if (error.code() != Code::kCancelled || !options.follow) throw;
    return context.cancelled_code();
  }
  const VmInfo vm = context.manager().inspect(options.vm);
  if (vm.state == VmState::kStopped || vm.state == VmState::kCrashed)
    out.note(fmt::format("VM '{}' has {}{}", vm.name, vm.state == VmState::kStopped ? "stopped" : "crashed",
                         vm.reason.empty() ? "" : ": " + printable(vm.reason)));
  return 0;
}

}  // namespace knaller::cli
