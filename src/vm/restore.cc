#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/manifest.h"
#include "store/names.h"
#include "vm/boot.h"
#include "vm/bring_up.h"
#include "vm/engine.h"
#include "vm/layout.h"
#include "vm/list.h"
#include "vm/ports.h"
#include "vm/snapshot.h"
#include "vm/start.h"
#include "vm/stop.h"

namespace knaller::vm {
namespace {

using store::Kind;

void require_regular(int directory, const std::string& name, uint64_t size) {
  const UniqueFd fd = open_untrusted(directory, name);
  if (file_size(fd.get()) != size)
    fail(Code::kCorrupt, "'{}' has {} bytes instead of {}", name, file_size(fd.get()), size);
}

// Cheap checks that find what a restore would stumble over: every file there, regular, of its size; the state
// and the metadata unchanged to the bit. Reading all of memory and disk is `snapshot verify`'s.
void check_own_snapshot(int directory, const store::SnapshotRecord& record, const Deadline& deadline) {
  const store::Manifest manifest =
      store::parse_manifest(store::read_entry_file(directory, "manifest", 256 << 20));
  for (const store::ManifestFile& file : manifest.files) require_regular(directory, file.name, file.size);
  for (const char* name : {"metadata.json", kState}) {
    const store::ManifestFile* file = manifest.find(name);
    if (file == nullptr) fail(Code::kCorrupt, "its manifest does not name '{}'", name);
    store::verify_file(directory, *file, deadline);
  }
  for (const std::string& name : {std::string(kMemory), std::string(record.has_base ? kDisk : kRootfs)})
    if (manifest.find(name) == nullptr) fail(Code::kCorrupt, "its manifest does not name '{}'", name);
}

void check_foreign_snapshot(int directory, const store::SnapshotRecord& record) {
  require_regular(directory, kMemory, record.memory_mib << 20);
  for (const char* name : {kState, kRootfs})
    if (file_size(open_untrusted(directory, name).get()) == 0) fail(Code::kCorrupt, "'{}' is empty", name);
}

void check_files(int directory, const store::SnapshotRecord& record, const Deadline& deadline) {
  try {
    if (record.is_foreign())
      check_foreign_snapshot(directory, record);
    else
      check_own_snapshot(directory, record, deadline);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    throw Error(Code::kCorrupt, error.message(), "the snapshot is incomplete: remove it");
  }
}

Engine engine_for(const Context& context, const store::SnapshotRecord& record, EngineChoice choice,
                  const Deadline& deadline) {
  const std::string needed = record.is_foreign() ? "firecracker" : record.engine;
  if (choice.kind == EngineKind::kAuto && choice.path.empty() && needed == "qemu")
    choice.kind = EngineKind::kQemu;
  Engine engine = choose_engine(choice, context.libexec, deadline);
  if (engine.kind != needed)
    throw Error(
        Code::kUnsupported,
        fmt::format("its state is of {}, and {} would run it ({})", needed, engine.kind, engine.reason),
        "a saved state can only be loaded by the kind of engine that wrote it: " +
            std::string(needed == "firecracker" ? "start it on a host with Firecracker and KVM"
                                                : "start it with --engine qemu"));
  return engine;
}

// KVM shows the guest the host's processor: a state of another one may load and crash later. QEMU's emulated
// one is the same everywhere.
void check_cpu(const store::SnapshotRecord& record, bool force) {
  if (record.is_foreign() || record.engine != "firecracker" || force) return;
  const store::CpuIdentity here = store::host_cpu();
  if (here.vendor == record.cpu.vendor && here.family == record.cpu.family && here.model == record.cpu.model)
    return;
  throw Error(Code::kUnsupported,
              fmt::format("it was taken on '{}', this host has '{}'", printable(record.cpu.name), here.name),
              "start it on a host with the same processor model, or try it here with --force");
}

store::VmRecord record_of_clone(const store::SnapshotRecord& snapshot, const RestoreOptions& options,
                                const Engine& engine) {
  store::VmRecord vm;
  static_cast<store::Machine&>(vm) = snapshot;
  vm.name = options.name;
  vm.uuid = make_uuid();
  vm.created_at = std::chrono::system_clock::now();
  vm.vcpus = std::max(snapshot.vcpus, 1u);
  vm.boot_args = with_hostname(snapshot.boot_args, options.name);
  vm.ports = options.ports.value_or(snapshot.ports);
  vm.engine = engine.kind;
  vm.engine_binary = engine.binary;
  vm.engine_version = engine.version.text();
  vm.from_snapshot = snapshot.id;
  return vm;
}

void check_network(const store::SnapshotRecord& record, const RestoreOptions& options) {
  const bool ports = options.ports && !options.ports->empty();
  if (record.network == NetworkMode::kNone && ports)
    throw Error(Code::kUnsupported, "its VM had no network device, so no port can be forwarded to a clone");
  if (options.network && *options.network != record.network)
    throw Error(Code::kUnsupported, "a saved state keeps the network device that it has",
                "leave out --network, or take the snapshot of a VM that was started with the mode you want");
}

enum class HostPorts { kOfSnapshot, kFresh };

// Ports asked for are taken as they are, or the start fails. Else a clone gets the snapshot's own while they
// are free.
void choose_ports(const Context& context, const RestoreOptions& options, HostPorts wanted,
                  store::VmRecord& vm) {
  if (options.ports) return require_free(context, vm.ports);
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

// The absolute path under which a state of the Go program names its disk: .../snapshots/ID/rootfs.ext4.
std::vector<std::pair<std::string, std::string>> foreign_binds(int snapshot_dir,
                                                               const store::SnapshotRecord& record) {
  if (!record.is_foreign()) return {};
  const std::string state = store::read_entry_file(snapshot_dir, kState, 16 << 20);
  const std::string ending = fmt::format("/snapshots/{}/{}", record.id, kRootfs);
  const size_t found = state.find(ending);
  if (found == std::string::npos)
    throw Error(Code::kUnsupported, "its state does not name the snapshot's own disk",
                "only snapshots that the Go program made whole can be started");
  size_t begin = found;
  while (begin > 0 && state[begin - 1] >= ' ' && state[begin - 1] <= '~' && found - begin < 4096) --begin;
  begin = state.find('/', begin);
  return {{kRootfs, state.substr(begin, found + ending.size() - begin)}};
}

// A restore on its way: what was asked for, and what is known by now.
struct Restore {
  const Context& context;
  RestoreOptions asked;
  const StartOptions& options;
  store::SnapshotId id;
};

// With the snapshot's lock, so that nobody removes it while its files are linked; the clone then needs it no
// more.
store::VmRecord link_clone(const Restore& restore, HostPorts ports, BringUp& plan) {
  const Context& context = restore.context;
  const PhaseTimer timer(context, "prepare");
  const Deadline deadline = Deadline::never(restore.options.stop);
  const LockFile lock = context.home.lock(
      Kind::kSnapshot, restore.id.str(), "start --from-snapshot", deadline.sooner(kLockPatience),
      waiting_note(context, fmt::format("snapshot {}", restore.id.str())));
  const UniqueFd snapshot_dir = context.home.open_entry(Kind::kSnapshot, restore.id.str());
  const store::SnapshotRecord snapshot = store::read_snapshot_record(snapshot_dir.get(), restore.id);
  check_network(snapshot, restore.asked);
  check_files(snapshot_dir.get(), snapshot, deadline);
  check_cpu(snapshot, restore.asked.force);
  const Engine engine = engine_for(context, snapshot, restore.asked.engine, deadline);
  store::VmRecord vm = record_of_clone(snapshot, restore.asked, engine);
  choose_ports(context, restore.asked, ports, vm);
  fill_clone(plan.directory, snapshot_dir.get(), snapshot, vm, deadline);
  plan.binds = foreign_binds(snapshot_dir.get(), snapshot);
  plan.load = load_requests(engine.version);
  return vm;
}

Started restore_once(const Restore& restore, HostPorts ports) {
  const std::string& name = restore.asked.name;
  store::StagedEntry staged(restore.context.home, Kind::kVm, name);
  BringUp plan{.directory = staged.directory(), .entry = staged.staged_name(), .is_new = true};
  plan.on_committed = [&staged] { staged.hand_over(); };
  store::VmRecord vm = link_clone(restore, ports, plan);
  Started started;
  started.tie = bring_up(restore.context, plan, vm, restore.options);
  started.vm = inspect_vm(restore.context, name);
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
