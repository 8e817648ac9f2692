#include "vm/snapshots/restore.h"

#include "base/error.h"
#include "base/text.h"
#include "store/names.h"
#include "vm/home/locks.h"
#include "vm/life/bring_up.h"
#include "vm/life/list.h"
#include "vm/life/ports.h"
#include "vm/snapshots/clone.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using store::Kind;

enum class HostPorts { kOfSnapshot, kFresh };

// Ports asked for are taken as they are, or the start fails. Else a clone gets the snapshot's own while they
// are free.
void choose_ports(const Context& context, const RestoreOptions& options, HostPorts wanted,
                  store::VmRecord& vm) {
  if (options.ports) return;
  lease_held(context, vm.ports);
  if (wanted == HostPorts::kFresh)
    for (PortForward& port : vm.ports) port.host = 0;
}

// A restore on its way: what was asked for, and what is known by now.
struct Restore {
  const Context& context;
  RestoreOptions asked;
  const StartOptions& options;
  store::SnapshotId id;
};

Tie restore_once(const Restore& restore, const store::EntryLock& lock, HostPorts ports) {
  PreparedClone clone =
      prepare_clone(restore.context, {.asked = restore.asked, .id = restore.id, .lock = lock},
                    Deadline::never(restore.options.stop),
                    [&](store::VmRecord& vm) { choose_ports(restore.context, restore.asked, ports, vm); });
  return bring_up(restore.context, clone.vm, {.options = restore.options}, std::move(clone.launch)).tie;
}

Tie restore_with_free_ports(const Restore& restore, const store::EntryLock& lock) {
  try {
    return restore_once(restore, lock, HostPorts::kOfSnapshot);
  } catch (const Error& error) {
    // A port that nobody asked for is taken by another program.
    if (error.code() != Code::kBusy || restore.asked.ports) throw;
    return restore_once(restore, lock, HostPorts::kFresh);
  }
}

}  // namespace

Started restore(const Context& context, const RestoreOptions& asked, const StartOptions& options) {
  Restore restore{context, asked, options, find_snapshot(context, asked.snapshot)};
  std::string& name = restore.asked.name;
  name = store::Name::parse(name.empty() ? store::make_up_name().str() : name).str();
  return in_context([&] { return fmt::format("start '{}' from {}", name, restore.id.str()); },
                    [&] {
                      const store::EntryLock lock =
                          lock_entry(context, Kind::kVm, name, "start", options.stop);
                      Started started;
                      started.tie = restore_with_free_ports(restore, lock);
                      started.vm = inspect_brought_up(context, name, options.tie);
                      return started;
                    });
}

}  // namespace knaller::vm
