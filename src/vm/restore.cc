#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/names.h"
#include "vm/boot.h"
#include "vm/bring_up.h"
#include "vm/engine.h"
#include "vm/foreign_state.h"
#include "vm/layout.h"
#include "vm/list.h"
#include "vm/ports.h"
#include "vm/preflight.h"
#include "vm/snapshot.h"
#include "vm/start.h"
#include "vm/stop.h"

namespace knaller::vm {
namespace {

using store::Kind;

store::VmRecord record_of_clone(const store::SnapshotRecord& snapshot, const RestoreOptions& options,
                                const Engine& engine) {
  store::VmRecord vm;
  static_cast<store::Machine&>(vm) = snapshot;
  vm.name = options.name;
  vm.uuid = make_uuid();
  vm.created_at = std::chrono::system_clock::now();
  vm.vcpus = std::max(snapshot.vcpus, 1u);
  vm.boot_args = with_hostname(snapshot.boot_args, options.name);
  vm.network = network_of_clone(snapshot, options);
  vm.ports = options.ports.value_or(snapshot.ports);
  if (vm.network == NetworkMode::kNone) vm.ports.clear();
  vm.engine = engine.kind;
  vm.engine_binary = engine.binary;
  vm.engine_version = engine.version.text();
  vm.state_version = engine.state_version;
  vm.from_snapshot = snapshot.id;
  return vm;
}

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

void copy_private_file(int from_dir, const std::string& from, int to_dir, const std::string& to,
                       const Deadline& deadline) {
  const UniqueFd source = open_untrusted(from_dir, from);
  const UniqueFd target = open_at(to_dir, to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  copy_sparse(source.get(), target.get(), file_size(source.get()), deadline);
}

void fill_clone(int directory, int snapshot_dir, const store::SnapshotRecord& snapshot,
                const store::VmRecord& vm, const Deadline& deadline) {
  make_vm_directories(directory);
  for (const Part& part : parts_of(vm)) add_part(directory, snapshot_dir, part.name, part.name, deadline);
  refresh_jail(directory, parts_of(vm), deadline);
  copy_private_file(snapshot_dir, own_disk(vm), directory, "jail/" + own_disk(vm), deadline);
  if (vm.has_ssh)
    write_file_atomically(directory, kSshKey, store::read_entry_file(snapshot_dir, kSshKey, 16384));
  if (!snapshot.ssh_host_keys.empty()) write_file_atomically(directory, kKnownHosts, snapshot.ssh_host_keys);
  // Written again, and then durably, before the commit.
  store::write_vm_record(directory, vm, Durability::kNoSync);
}

// A state of the Go program's names its disk by an absolute path.
std::vector<std::pair<std::string, std::string>> foreign_binds(int snapshot_dir,
                                                               const store::SnapshotRecord& record) {
  if (record.network_of.empty()) return {};
  const std::string path = disk_path_of_go(store::read_entry_file(snapshot_dir, kState, 16 << 20));
  if (!path.empty()) return {{kRootfs, path}};
  if (!record.is_foreign()) return {};
  throw Error(Code::kUnsupported, "its state does not name the snapshot's own disk",
              "only snapshots that the Go program made whole can be started");
}

// A restore on its way: what was asked for, and what is known by now.
struct Restore {
  const Context& context;
  RestoreOptions asked;
  const StartOptions& options;
  store::SnapshotId id;
};

LockFile lock_snapshot(const Restore& restore, const Deadline& deadline) {
  const std::string& id = restore.id.str();
  return restore.context.home.lock(Kind::kSnapshot, id, "start --from-snapshot",
                                   deadline.sooner(kLockPatience),
                                   waiting_note(restore.context, fmt::format("snapshot {}", id)));
}

// A clone that is being made, from the check of its snapshot to its directory.
struct Prepared {
  store::VmRecord vm;
  std::unique_ptr<store::StagedEntry> staged;
  BringUp plan;
};

// With the snapshot's lock, so that nobody removes it while its files are linked; the clone then needs it no
// more. Until the checks have passed nothing is touched.
Prepared prepare(const Restore& restore, HostPorts ports) {
  const Context& context = restore.context;
  const PhaseTimer timer(context, "prepare");
  const Deadline deadline = Deadline::never(restore.options.stop);
  const LockFile lock = lock_snapshot(restore, deadline);
  const UniqueFd snapshot_dir = context.home.open_entry(Kind::kSnapshot, restore.id.str());
  const Preflight preflight = run_preflight(context, restore.asked, restore.id, snapshot_dir.get(), deadline);
  require_passed(preflight, restore.id);
  const store::SnapshotRecord& snapshot = *preflight.record;
  const Engine& engine = *preflight.engine;

  Prepared clone{.vm = record_of_clone(snapshot, restore.asked, engine), .staged = {}, .plan = {}};
  choose_ports(context, restore.asked, ports, clone.vm);
  clone.staged = std::make_unique<store::StagedEntry>(context.home, Kind::kVm, restore.asked.name);
  clone.plan = {.directory = clone.staged->directory(),
                .entry = clone.staged->staged_name(),
                .is_new = true,
                .load = load_requests(engine.version),
                .binds = foreign_binds(snapshot_dir.get(), snapshot),
                .on_committed = [&staged = *clone.staged] { staged.hand_over(); }};
  fill_clone(clone.plan.directory, snapshot_dir.get(), snapshot, clone.vm, deadline);
  return clone;
}

Started restore_once(const Restore& restore, HostPorts ports) {
  Prepared clone = prepare(restore, ports);
  Started started;
  started.tie = bring_up(restore.context, clone.plan, clone.vm, restore.options);
  started.vm = inspect_vm(restore.context, restore.asked.name);
  return started;
}

}  // namespace

Started restore(const Context& context, const RestoreOptions& asked, const StartOptions& options) {
  Restore restore{context, asked, options, find_snapshot(context, asked.snapshot)};
  std::string& name = restore.asked.name;
  name = store::Name::parse(name.empty() ? store::make_up_name().str() : name).str();
  return in_context([&] { return fmt::format("start '{}' from {}", name, restore.id.str()); },
                    [&] {
                      const LockFile lock = context.home.lock(
                          Kind::kVm, name, "start", Deadline::after(kLockPatience, options.stop),
                          waiting_note(context, fmt::format("VM '{}'", name)));
                      try {
                        return restore_once(restore, HostPorts::kOfSnapshot);
                      } catch (const Error& error) {
                        // A port that nobody asked for is taken by another program.
                        if (error.code() != Code::kBusy || asked.ports) throw;
                        return restore_once(restore, HostPorts::kFresh);
                      }
                    });
}

}  // namespace knaller::vm
