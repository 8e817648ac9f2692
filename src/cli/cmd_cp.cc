#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"

namespace knaller::cli {

int cmd_cp(Context& context) {
  const auto& arguments = context.args().arguments;
  const CopyPath from = parse_copy_path(arguments[0]);
  const CopyPath to = parse_copy_path(arguments[1]);
  if (from.vm.empty() == to.vm.empty())
    throw Error(
        Code::kInvalidArgument,
        from.vm.empty() ? "neither path is in a VM" : "both paths are in VMs, and one of them must be local",
        "knaller cp FILE NAME:PATH, or knaller cp NAME:PATH FILE");
  CopyOptions options;
  const bool to_guest = from.vm.empty();
  options.vm = to_guest ? to.vm : from.vm;
  options.host_path = to_guest ? from.path : to.path;
  options.guest_path = to_guest ? to.path : from.path;
  options.direction = to_guest ? CopyOptions::Direction::kToGuest : CopyOptions::Direction::kFromGuest;
  options.stop = context.stop();
  check_vm_name(options.vm);
  suggest_vm(context, options.vm, [&] { context.manager().copy(options); });
  context.progress().finish();
  if (context.out().json())
    context.out().document({{"name", options.vm}, {"from", arguments[0]}, {"to", arguments[1]}});
  return 0;
}

}  // namespace knaller::cli
