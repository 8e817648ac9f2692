// stop, rm, pause, resume, restart, set: one verb for many VMs.
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/context.h"
#include "cli/creation.h"
#include "cli/limits.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

bool runs(const VmInfo& vm) {
  return vm.state == VmState::kRunning || vm.state == VmState::kPaused || vm.state == VmState::kStarting ||
         vm.state == VmState::kStuck;
}

StopOptions stop_options(Context& context) {
  StopOptions options;
  if (const auto timeout = context.settings().get<std::chrono::milliseconds>("stop_timeout"))
    options.timeout = *timeout;
  options.force = context.args().has("force");
  options.stop = context.stop();
  return options;
}

using Verb = std::function<void(const std::string&)>;

// The verb on one VM; the result is the VM as it is then.
std::function<Json(const std::string&)> changing(Context& context, Verb verb) {
  return [&context, verb = std::move(verb)](const std::string& name) {
    check_vm_name(name);
    suggest_vm(context, name, [&] { verb(name); });
    return context.out().json() ? to_json(context.manager().inspect(name)) : Json();
  };
}

}  // namespace

int cmd_stop(Context& context) {
  const StopOptions options = stop_options(context);
  const auto names = named_vms(context, runs);
  return for_all_names_at_once(context, names, changing(context, [&](const std::string& name) {
                                 context.manager().stop(name, options);
                               }));
}

int cmd_pause(Context& context) {
  const auto names = named_vms(context, [](const VmInfo& vm) { return vm.state == VmState::kRunning; });
  return for_each_name(context, names, changing(context, [&](const std::string& name) {
                         context.manager().pause(name, context.stop());
                       }));
}

int cmd_resume(Context& context) {
  const auto names = named_vms(context, [](const VmInfo& vm) { return vm.state == VmState::kPaused; });
  return for_each_name(context, names, changing(context, [&](const std::string& name) {
                         context.manager().resume(name, context.stop());
                       }));
}

int cmd_restart(Context& context) {
  const StopOptions options = stop_options(context);
  const StartOptions start{.wait = wait_options(context), .stop = context.stop()};
  return for_each_name(context, named_vms(context, runs), changing(context, [&](const std::string& name) {
                         context.manager().restart(name, options, start);
                       }));
}

int cmd_rm(Context& context) {
  const RemoveOptions options{.force = context.args().has("force"), .stop = context.stop()};
  const auto names = named_vms(context, [](const VmInfo& vm) { return vm.state != VmState::kForeign; });
  return for_all_names_at_once(context, names, [&](const std::string& name) {
    check_vm_name(name);
    suggest_vm(context, name, [&] { context.manager().remove(name, options); });
    return Json{{"removed", true}};
  });
}

int cmd_set(Context& context) {
  VmChanges changes{.egress = egress_changes(context.args()), .limits = limit_changes(context.args())};
  if (const auto mib = context.args().get<int64_t>("disk")) changes.disk_mib = static_cast<uint64_t>(*mib);
  if (changes.egress == EgressChanges{} && changes.limits == LimitChanges{} && !changes.disk_mib)
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
