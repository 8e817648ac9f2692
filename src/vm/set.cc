#include "vm/set.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "disk/grow_disk.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "net/egress.h"
#include "store/layout.h"
#include "store/vm_record.h"
#include "vm/layout.h"
#include "vm/list.h"
#include "vm/locks.h"

namespace knaller::vm {
namespace {

constexpr std::chrono::seconds kMonitorTime{15};

void check_changes(int directory, const VmChanges& changes, const store::VmRecord& record) {
  if (changes.disk_mib && monitor::is_alive(directory))
    throw Error(
        Code::kWrongState, "a disk grows only while its VM is stopped",
        fmt::format("knaller stop {0} && knaller set {0} --disk {1}M", record.name, *changes.disk_mib));
  if (!changes.egress) return;
  if (record.network == NetworkMode::kNone)
    throw Error(Code::kWrongState, "it has no network, so there is nothing that it could reach",
                "start another VM, without --network none");
  net::check_egress(*changes.egress);
}

void apply(const VmChanges& changes, store::VmRecord& record) {
  if (changes.egress) record.egress = *changes.egress;
}

// By the descriptor of the folder, since an engine may have left a link in its place. The copy is made where
// the sweep looks, and an engine does not.
void grow_own_disk(int directory, const store::VmRecord& record, uint64_t mib, std::stop_token stop) {
  const UniqueFd jail = open_beneath(directory, layout::kJail, O_RDONLY | O_DIRECTORY);
  disk::grow_disk(fmt::format("/proc/self/fd/{}/{}", jail.get(), own_disk(record)),
                  fmt::format("/proc/self/fd/{}", directory), mib, Deadline::never(stop));
}

// The record first: should this command die in between, the VM is as it was until its next start, and a start
// never goes back to what was given up.
void change(int directory, const VmChanges& changes, const store::VmRecord& before, std::stop_token stop) {
  store::VmRecord after = before;
  apply(changes, after);
  store::write_vm_record(directory, after);
  try {
    if (changes.disk_mib) grow_own_disk(directory, before, *changes.disk_mib, stop);
    if (!monitor::is_alive(directory)) return;
    const Deadline deadline = Deadline::after(kMonitorTime, stop);
    monitor::MonitorClient::connect(directory, deadline).set(changes, deadline);
  } catch (const Error&) {
    const bool ended_meanwhile = !changes.disk_mib && !monitor::is_alive(directory);
    if (ended_meanwhile) return;
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
                      const store::EntryLock lock = lock_entry(context, store::Kind::kVm, name, "set", stop);
                      const UniqueFd directory = open_vm(context, name);
                      const store::VmRecord record = store::read_vm_record(directory.get(), name);
                      check_changes(directory.get(), changes, record);
                      change(directory.get(), changes, record, stop);
                      return describe_vm(context, name, directory.get());
                    });
}

}  // namespace knaller::vm
