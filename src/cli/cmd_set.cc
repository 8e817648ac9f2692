// set: what can be changed of a VM that is there.
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/creation.h"
#include "cli/view.h"

namespace knaller::cli {

namespace {

std::optional<uint64_t> disk_size(const Invocation& args) {
  const auto text = args.value("disk");
  if (!text) return std::nullopt;
  return mebibytes_of({*text, "--disk"});
}

}  // namespace

int cmd_set(Context& context) {
  const VmChanges changes{.egress = egress(context.args()), .disk_mib = disk_size(context.args())};
  if (!changes.egress && !changes.disk_mib)
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
