// set: what can be changed of a VM while it runs.
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/creation.h"
#include "cli/view.h"

namespace knaller::cli {

int cmd_set(Context& context) {
  const VmChanges changes{.egress = egress(context.args())};
  if (!changes.egress)
    throw Error(Code::kInvalidArgument, "nothing to change was given", help_hint(context.args().command));
  return for_each_name(
      context, named_vms(context, [](const VmInfo& vm) { return vm.state != VmState::kForeign; }),
      [&](const std::string& name) {
        check_vm_name(name);
        VmInfo vm;
        suggest_vm(context, name, [&] { vm = context.manager().set(name, changes, context.stop()); });
        return context.out().json() ? to_json(vm) : Json();
      });
}

}  // namespace knaller::cli
