#include "vm/set.h"

#include "base/error.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "net/egress.h"
#include "store/vm_record.h"
#include "vm/list.h"
#include "vm/stop.h"

namespace knaller::vm {
namespace {

constexpr std::chrono::seconds kMonitorTime{15};

void check_changes(const VmChanges& changes, const store::VmRecord& record) {
  if (!changes.egress) return;
  if (record.network == NetworkMode::kNone)
    throw Error(Code::kWrongState, "it has no network, so there is nothing that it could reach",
                "start another VM, without --network none");
  net::check_egress(*changes.egress);
}

void apply(const VmChanges& changes, store::VmRecord& record) {
  if (changes.egress) record.egress = *changes.egress;
}

// The record first: should this command die in between, the VM is as it was until its next start, and a start
// never goes back to what was given up.
void change(int directory, const VmChanges& changes, const store::VmRecord& before,
            const Deadline& deadline) {
  store::VmRecord after = before;
  apply(changes, after);
  store::write_vm_record(directory, after);
  if (!monitor::is_alive(directory)) return;
  try {
    monitor::MonitorClient::connect(directory, deadline).set(changes, deadline);
  } catch (const Error&) {
    if (!monitor::is_alive(directory)) return;  // it ended meanwhile
    store::write_vm_record(directory, before);
    throw;
  }
}

}  // namespace

VmInfo set_vm(const Context& context, const std::string& name, const VmChanges& changes,
              std::stop_token stop) {
  open_vm(context, name);
  return in_context([&] { return fmt::format("change '{}'", name); },
                    [&] {
                      const LockFile lock = context.home.lock(
                          store::Kind::kVm, name, "set", Deadline::after(kLockPatience, stop),
                          waiting_note(context, fmt::format("VM '{}'", name)));
                      const UniqueFd directory = open_vm(context, name);
                      const store::VmRecord record = store::read_vm_record(directory.get(), name);
                      check_changes(changes, record);
                      change(directory.get(), changes, record, Deadline::after(kMonitorTime, stop));
                      return describe_vm(context, name, directory.get());
                    });
}

}  // namespace knaller::vm
