#include "vm/snapshots/clone.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/layout.h"
#include "vm/home/engine.h"
#include "vm/home/layout.h"
#include "vm/home/locks.h"
#include "vm/life/boot.h"
#include "vm/life/ports.h"
#include "vm/life/set.h"
#include "vm/snapshots/clone_settings.h"
#include "vm/snapshots/foreign_state.h"
#include "vm/snapshots/part_digests.h"
#include "vm/snapshots/preflight.h"

namespace knaller::vm {
namespace {

using store::Kind;

store::VmRecord record_of_clone(const Preflight& preflight, const RestoreOptions& options) {
  const store::SnapshotRecord& snapshot = *preflight.record;
  const Engine& engine = *preflight.engine;
  store::VmRecord vm;
  static_cast<store::Machine&>(vm) = static_cast<const store::Machine&>(snapshot);
  vm.name = options.name;
  vm.uuid = make_uuid();
  vm.created_at = std::chrono::system_clock::now();
  vm.vcpus = std::max(snapshot.vcpus, 1u);
  vm.boot_args = with_hostname(snapshot.boot_args, options.name);
  vm.network = network_of_clone(snapshot, options);
  vm.ports = ports_of_clone(snapshot, preflight.imported, options);
  vm.egress = egress_of_clone(snapshot, preflight.imported, options);
  vm.limits = limits_of_clone(snapshot, preflight.imported, options);
  vm.engine = engine.type;
  vm.engine_binary = engine.binary;
  vm.engine_version = engine.version.text();
  vm.state_version = engine.state_version;
  if (!options.disk_only) vm.from_snapshot = snapshot.id;  // its memory and devices
  return vm;
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
  copy_private_file(snapshot_dir, own_disk(vm), directory, layout::in_jail(own_disk(vm)), deadline);
  if (!snapshot.is_foreign()) keep_part_digests(directory, snapshot_dir, deadline);
  if (vm.has_ssh) {
    const Secret secret(store::read_entry_file(snapshot_dir, layout::kSshKey, 16384));
    write_file_atomically(directory, layout::kSshKey, secret.text(), Durability::kNoSync);
  }
  if (!snapshot.ssh_host_keys.empty())
    write_file_atomically(directory, layout::kKnownHosts, snapshot.ssh_host_keys, Durability::kNoSync);
  // bring_up() makes all of it durable before the commit.
  store::write_vm_record(directory, vm, Durability::kNoSync);
}

// A state of the Go program's names its disk by an absolute path.
std::vector<std::pair<std::string, std::string>> foreign_binds(int snapshot_dir,
                                                               const store::SnapshotRecord& record) {
  if (record.network_of.empty()) return {};
  const std::string path = disk_path_of_go(store::read_entry_file(snapshot_dir, layout::kState, 16 << 20));
  if (!path.empty()) return {{layout::kRootfs, path}};
  if (!record.is_foreign()) return {};
  throw Error(Code::kUnsupported, "its state does not name the snapshot's own disk",
              "only snapshots that the Go program made whole can be started");
}

void tell_of_ports(const Context& context, const Preflight& preflight, const RestoreOptions& asked,
                   const store::VmRecord& vm) {
  if (!preflight.imported || asked.ports || asked.trust_ports || vm.ports.empty()) return;
  context.note(
      fmt::format("the snapshot was imported, so it gets none of the host ports that it asks for ({}): its "
                  "guest ports are on free ones of 127.0.0.1; --port opens others, --trust-ports those",
                  ports_text(preflight.record->ports)));
}

}  // namespace

// With the snapshot's lock, so that nobody removes it while its files are linked; the clone then needs it no
// more.
PreparedClone prepare_clone(const Context& context, const CloneRequest& request, const Deadline& deadline,
                            const std::function<void(store::VmRecord&)>& adapt) {
  const PhaseTimer timer(context, "prepare");
  RestoreOptions asked = request.asked;
  const store::EntryLock lock =
      lock_entry(context, Kind::kSnapshot, request.id.str(),
                 request.in_place ? "rollback" : "start --from-snapshot", deadline.sooner(kLockPatience));
  const UniqueFd snapshot_dir = context.home.open_entry(Kind::kSnapshot, request.id.str());
  RestoreOptions checked = asked;
  if (request.in_place) checked.name.clear();  // it is taken, by the VM itself
  const Preflight preflight = run_preflight(context, checked, request.id, snapshot_dir.get(), deadline);
  require_passed(preflight, request.id);
  const store::SnapshotRecord& snapshot = *preflight.record;
  const Engine& engine = *preflight.engine;
  asked.disk_only |= !snapshot.has_memory;

  PreparedVm vm{
      .transaction = nullptr, .record = record_of_clone(preflight, asked), .engine_files = engine.files};
  if (!request.in_place) {
    tell_of_ports(context, preflight, asked, vm.record);
    note_what_stays_allowed(context, asked.name, asked.egress, vm.record.egress);
  }
  adapt(vm.record);
  using How = store::Transaction::How;
  vm.transaction =
      std::make_unique<store::Transaction>(request.lock, request.in_place ? How::kReplace : How::kMake);
  PreparedClone clone{std::move(vm), start_monitor(context, asked.name)};
  if (!asked.disk_only) {
    clone.vm.load = load_requests(engine.version, clone.vm.record, snapshot.limits);
    clone.vm.binds = foreign_binds(snapshot_dir.get(), snapshot);
  }
  fill_clone(clone.vm.directory(), snapshot_dir.get(), snapshot, clone.vm.record, deadline);
  return clone;
}

}  // namespace knaller::vm
