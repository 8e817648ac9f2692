#include "vm/snapshots/preflight.h"

#include <fcntl.h>

#include "base/available_memory.h"
#include "base/error.h"
#include "base/file.h"
#include "base/free_space.h"
#include "base/parallel.h"
#include "base/process.h"
#include "base/text.h"
#include "engine/check_row.h"
#include "engine/choose.h"
#include "engine/engine_family.h"
#include "net/egress.h"
#include "store/fields.h"
#include "store/labels.h"
#include "store/layout.h"
#include "store/limits.h"
#include "vm/home/host_facts.h"
#include "vm/home/layout.h"
#include "vm/life/limits.h"
#include "vm/life/ports.h"
#include "vm/snapshots/preflight_rows.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_files.h"

namespace knaller::vm {
namespace {

using engine::doubtful;
using engine::passed;
using engine::refused;
using store::SnapshotRecord;

constexpr size_t kMostStateBytes = 64 << 20;

CheckRow row_of(std::string name, const Error& error) {
  // Of a snapshot, a file that is not there is damage.
  const bool missing = error.code() == Code::kNotFound;
  return refused(std::move(name), missing ? Code::kCorrupt : error.code(), error.what(),
                 missing ? "the snapshot is incomplete: remove it" : error.hint());
}

// Metadata of a newer format, unless it is damage that looks like it.
CheckRow newer_format_row(int directory, const Error& error, const Deadline& deadline) {
  try {
    check_metadata_digest(directory, deadline);
  } catch (const Error& damage) {
    if (damage.code() == Code::kCorrupt) return row_of("files", damage);
  }
  return row_of("format", error);
}

CheckRow files_row(const Context& context, int directory, const SnapshotRecord& record,
                   const RestoreOptions& asked, const Deadline& deadline) {
  const bool verify = asked.verify;
  if (verify) context.step(fmt::format("verifying {}", record.id));
  const std::string found = check_snapshot_files(
      directory, record, verify, deadline,
      [&](uint64_t done, uint64_t total) {
        context.tell({.kind = EventKind::kProgress, .done = done, .total = total});
      },
      asked.disk_only ? store::Needed::kColdBoot : store::Needed::kAll);
  if (verify && record.is_foreign())
    return doubtful("files", found + "; the Go program stores no digests to verify it by");
  return passed("files", found);
}

// --- The engine and the host

CheckRow any_engine_row(const Engine& engine) {
  return passed("engine",
                fmt::format("{} {} ({})", store::to_text(engine.type), engine.version.text(), engine.binary));
}

CheckRow kernel_row(const Context& context, const SnapshotRecord& record) {
  if (!record.boot_args.empty())
    return passed("kernel", record.kernel.empty() ? "the snapshot's own" : record.kernel);
  return refused("kernel", Code::kUnsupported, "the snapshot has no kernel of its own to boot its disk with",
                 fmt::format("give one: knaller start --kernel FILE --rootfs {}/{}",
                             context.home.path_of(store::Kind::kSnapshot, record.id), layout::kRootfs));
}

CheckRow engine_row(const SnapshotRecord& record, const Engine& engine) {
  if (engine.type == record.engine) return any_engine_row(engine);
  return refused("engine", Code::kUnsupported,
                 fmt::format("its state is of {}, and {} would run it ({})", store::to_text(record.engine),
                             store::to_text(engine.type), engine.reason),
                 fmt::format("a saved state can only be loaded by the kind of engine that wrote it: {}",
                             engine::family_of(record.engine).where_states_load()));
}

Engine engine_for(const Context& context, const SnapshotRecord& record, const EngineChoice& choice,
                  const Deadline& deadline) {
  return choose_engine(context, engine::asked_for_state(choice, record.engine, host_of(context)), deadline);
}

TscUse tsc_use(bool kvm, const store::CpuIdentity& here) {
  if (!kvm) return TscUse::kEmulated;
  return store::has_feature(here, "tsc_scale") ? TscUse::kScaled : TscUse::kAsItIs;
}

// KVM shows the guest the host's processor: a state of another one may load and crash later.
void add_processor_rows(const Context& context, const SnapshotRecord& record, const engine::StateNeeds& needs,
                        std::vector<CheckRow>& rows) {
  using Processor = engine::StateNeeds::Processor;
  const store::CpuIdentity here = store::host_cpu();
  switch (needs.processor) {
    case Processor::kUnknown:
      rows.push_back(doubtful("CPU", "the Go program does not say on which it was taken"));
      return;
    case Processor::kEmulated:
      rows.push_back(passed("CPU", "emulated: the same on every host"));
      break;
    case Processor::kHosts:
      rows.push_back(cpu_row(record.cpu, here));
      break;
  }
  const bool kvm = needs.processor == Processor::kHosts;
  rows.push_back(tsc_row(needs.tsc_khz, needs.tsc_khz == 0 ? 0 : host_tsc_khz(context), tsc_use(kvm, here)));
}

void add_state_rows(const Context& context, int directory, const SnapshotRecord& record, const Engine& engine,
                    std::vector<CheckRow>& rows) {
  const auto read_state = [&] { return store::read_entry_file(directory, layout::kState, kMostStateBytes); };
  const engine::StateNeeds needs =
      engine::family_of(engine.type).needs_of(record, read_state, engine, host_of(context));
  rows.push_back(needs.version);
  add_processor_rows(context, record, needs, rows);
}

CheckRow free_space_row(const Context& context, int directory, const SnapshotRecord& record) {
  if (!record.has_disk)
    return refused("disk space", Code::kUnsupported,
                   "it was taken without its disk (--no-disk), so knaller has none to start it with");
  const UniqueFd disk = open_untrusted(directory, record.has_base ? layout::kDisk : layout::kRootfs);
  return space_row(free_space(context.home.folder(store::Kind::kVm)), allocated_bytes(disk.get()));
}

CheckRow file_system_row(const Context& context) {
  const std::string network = context.home.network_file_system();
  if (network.empty()) return passed("file system", "knaller's home is on a local one");
  return doubtful("file system", fmt::format("knaller's home is on {}, whose locks may fail", network));
}

// --- What was asked for

CheckRow name_row(const Context& context, const std::string& name) {
  if (name.empty()) return passed("name", "one is made up");
  store::Name::parse(name);
  if (!context.home.has(store::Kind::kVm, name)) return passed("name", fmt::format("'{}' is free", name));
  return refused("name", Code::kAlreadyExists, fmt::format("there is a VM '{}' already", name),
                 fmt::format("choose another name, or remove it: knaller rm {}", name));
}

CheckRow egress_row(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  const std::string name = "egress";
  const Egress egress = egress_of_clone(record, imported, asked);
  try {
    net::check_egress(egress);
  } catch (const Error& error) {
    return refused(name, asked.egress ? error.code() : Code::kCorrupt, error.message(), error.hint());
  }
  if (asked.egress && network_of_clone(record, asked) == NetworkMode::kNone)
    return refused(name, Code::kInvalidArgument,
                   "without a network there is nothing that a clone could reach",
                   "leave out --egress, --allow and --deny");
  if (!asked.egress && egress != record.egress)
    return passed(name, net::to_text(egress) + ", without what the imported snapshot would allow");
  return passed(name, net::to_text(egress));
}

// In one pass with what is said of a new VM.
CheckRow limits_row(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  const std::string name = "limits";
  store::Machine machine = record;
  try {
    machine.limits = limits_of_clone(record, imported, asked);
    store::check_limits(machine.limits);
    require_limits(machine);
  } catch (const Error& error) {
    return refused(name, error.code(), error.message(), error.hint());
  }
  return passed(name, machine.limits == Limits{} ? "none beside those of every VM" : "can be kept here");
}

// Why a clone can't have the network that was asked for; empty when it can.
CheckRow network_mode_row(const SnapshotRecord& record, const RestoreOptions& asked) {
  const NetworkMode mode = network_of_clone(record, asked);
  const bool ports = asked.ports && !asked.ports->empty();
  const std::string name = "network";
  if (mode != NetworkMode::kNone && !record.network_device)
    return refused(name, Code::kUnsupported,
                   "its VM had no network device, and a saved state keeps the devices that it has",
                   "leave out --network, or take the snapshot of a VM that was started with a network");
  if (mode == NetworkMode::kNone && ports && !record.network_device)
    return refused(name, Code::kUnsupported,
                   "its VM had no network device, so no port can be forwarded to a clone");
  if (mode == NetworkMode::kNone && ports)
    return refused(name, Code::kInvalidArgument, "without a network no port can be forwarded",
                   "leave out --port or --network none");
  if (mode != NetworkMode::kNone) return passed(name, std::string(store::to_text(mode)));
  return passed(name,
                record.network_device ? "none: the guest keeps its device, which leads nowhere" : "none");
}

CheckRow tap_row() {
  const UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (tun) return passed("TAP", "/dev/net/tun opens");
  const Error error = errno_error(errno, "open /dev/net/tun");
  return refused("TAP", error.code() == Code::kPermission ? Code::kPermission : Code::kUnsupported,
                 error.message(),
                 error.code() == Code::kPermission ? "sudo chmod 0666 /dev/net/tun" : "sudo modprobe tun");
}

CheckRow pasta_row(const Context& context) {
  const std::string wanted = context.pasta.empty() ? "pasta" : context.pasta;
  const std::string found = find_program(wanted);
  if (!found.empty()) return passed("pasta", found);
  return refused("pasta", Code::kNotFound,
                 fmt::format("there is no '{}', which gives VMs their network", wanted),
                 "sudo apt install passt   # or start it with --network none");
}

CheckRow ports_row(const Context& context, const SnapshotRecord& record, bool imported,
                   const RestoreOptions& asked) {
  if (!asked.ports) {
    if (record.ports.empty()) return passed("ports", "none asked for");
    if (imported && !asked.trust_ports)
      return passed("ports", fmt::format("the guest ports of an imported snapshot, on free ones of 127.0.0.1 "
                                         "(it asks for {})",
                                         ports_text(record.ports)));
    return passed("ports", "those of the snapshot, or others where they are taken");
  }
  require_free(context, *asked.ports);
  require_bindable(*asked.ports);
  return passed("ports", asked.ports->empty() ? "none asked for" : "those asked for are free");
}

void add_network_rows(const Context& context, const SnapshotRecord& record, bool imported,
                      const RestoreOptions& asked,
                      const std::function<void(std::string, std::function<CheckRow()>)>& add) {
  add("network", [&] { return network_mode_row(record, asked); });
  add("egress", [&] { return egress_row(record, imported, asked); });
  if (record.network_device) add("TAP", tap_row);
  if (network_of_clone(record, asked) == NetworkMode::kNone) return;
  add("pasta", [&] { return pasta_row(context); });
  add("ports", [&] { return ports_row(context, record, imported, asked); });
}

void pass_over_judgement(std::vector<CheckRow>& rows) {
  for (CheckRow& row : rows) {
    if (row.result != CheckRow::Result::kFailed || !row.judgement) continue;
    row.result = CheckRow::Result::kWarning;
    row.detail += "; passed over by --force";
  }
}

// False when there is no record, so that nothing else can be said.
bool read_record(const Context& context, Preflight& preflight, int directory, const store::SnapshotId& id,
                 const RestoreOptions& asked, const Deadline& deadline) {
  try {
    preflight.record = store::read_snapshot_record(directory, id);
  } catch (const Error& error) {
    preflight.rows.push_back(error.code() == Code::kUnsupported ? newer_format_row(directory, error, deadline)
                                                                : row_of("files", error));
    return false;
  }
  const SnapshotRecord& record = *preflight.record;
  preflight.rows.push_back(passed("format", record.is_foreign() ? "the Go program's, which has no number"
                                                                : fmt::format("{}", record.format)));
  try {
    preflight.rows.push_back(files_row(context, directory, record, asked, deadline));
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kTimeout) throw;
    preflight.rows.push_back(row_of("files", error));
    preflight.record.reset();
  }
  return preflight.record.has_value();
}

}  // namespace

std::vector<PortForward> ports_of_clone(const SnapshotRecord& record, bool imported,
                                        const RestoreOptions& asked) {
  if (network_of_clone(record, asked) == NetworkMode::kNone) return {};
  if (asked.ports) return *asked.ports;
  std::vector<PortForward> ports = record.ports;
  if (imported && !asked.trust_ports)
    for (PortForward& port : ports) port = {.guest = port.guest, .protocol = port.protocol};
  return ports;
}

Egress egress_of_clone(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  if (asked.egress) return *asked.egress;
  Egress egress = record.egress;
  if (imported) egress.allow.clear();
  return egress;
}

Limits limits_of_clone(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  Limits limits = record.limits;
  if (imported)
    limits = {.milli_cpus = limits.milli_cpus,
              .cpu_weight = std::min(limits.cpu_weight, store::kUsualWeight),
              .best_effort = true,
              .disk_bandwidth = limits.disk_bandwidth,
              .disk_operations = limits.disk_operations,
              .network_bandwidth = limits.network_bandwidth};
  // Who asks for something himself is told when it can't be had.
  if (imported && !asked.limits.best_effort && asked.limits != LimitChanges{}) limits.best_effort = false;
  limits = store::with_changes(limits, asked.limits);
  store::settle_cpus(limits, std::max(record.vcpus, 1u));
  return limits;
}

NetworkMode network_of_clone(const SnapshotRecord& record, const RestoreOptions& asked) {
  return asked.network.value_or(record.network);
}

Preflight run_preflight(const Context& context, RestoreOptions asked, const store::SnapshotId& id,
                        int directory, const Deadline& deadline) {
  Preflight preflight;
  std::vector<CheckRow>& rows = preflight.rows;
  if (!read_record(context, preflight, directory, id, asked, deadline)) return preflight;
  const SnapshotRecord& record = *preflight.record;
  asked.disk_only |= !record.has_memory;
  preflight.imported = store::may_be_imported(directory);

  const auto guarded = [&](const std::string& name, const auto& check) {
    try {
      check();
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      rows.push_back(refused(name, error.code(), error.what(), error.hint()));
    }
  };
  const auto add = [&](std::string name, const std::function<CheckRow()>& check) {
    guarded(name, [&] { rows.push_back(check()); });
  };
  if (asked.disk_only) add("kernel", [&] { return kernel_row(context, record); });
  guarded("engine", [&] {
    Engine engine = asked.disk_only ? choose_engine(context, asked.engine, deadline)
                                    : engine_for(context, record, asked.engine, deadline);
    rows.push_back(asked.disk_only ? any_engine_row(engine) : engine_row(record, engine));
    if (rows.back().result != CheckRow::Result::kFailed) preflight.engine = std::move(engine);
  });
  if (preflight.engine && !asked.disk_only)
    guarded("state version", [&] { add_state_rows(context, directory, record, *preflight.engine, rows); });
  add("memory", [&] {
    const uint64_t touched =
        asked.disk_only ? 0 : allocated_bytes(open_untrusted(directory, layout::kMemory).get());
    return memory_row(total_memory(), available_memory(),
                      {.touched = touched, .whole = record.memory_mib << 20});
  });
  add("CPUs", [&] { return vcpus_row(core_count(), record.vcpus); });
  add("limits", [&] { return limits_row(record, preflight.imported, asked); });
  add("disk space", [&] { return free_space_row(context, directory, record); });
  add("file system", [&] { return file_system_row(context); });
  add("name", [&] { return name_row(context, asked.name); });
  add_network_rows(context, record, preflight.imported, asked, add);
  if (asked.force) pass_over_judgement(rows);
  return preflight;
}

namespace {

// A cold boot would do without it.
bool is_of_state(const CheckRow& row) {
  return row.name == "engine" || row.name == "state version" || row.name == "CPU" || row.name == "TSC";
}

}  // namespace

void require_passed(const Preflight& preflight, const store::SnapshotId& id) {
  for (const CheckRow& row : preflight.rows) {
    if (row.result != CheckRow::Result::kFailed) continue;
    std::string hint = row.remedy.empty() ? "" : row.remedy + "\n";
    if (row.code == Code::kUnsupported && preflight.record && is_of_state(row))
      hint += fmt::format(
          "boot its disk alone, on any engine: knaller start --from-snapshot {} --disk-only\n", id.str());
    if (row.judgement) hint += "pass over this check with --force\n";
    hint += fmt::format("see all that is checked: knaller start --from-snapshot {} --check", id.str());
    throw Error(row.code.value_or(Code::kInternal), fmt::format("{}: {}", row.name, row.detail), hint);
  }
}

std::vector<CheckRow> check_restore(const Context& context, const RestoreOptions& asked,
                                    std::stop_token stop) {
  const store::SnapshotId id = find_snapshot(context, asked.snapshot);
  const UniqueFd directory = context.home.open_entry(store::Kind::kSnapshot, id.str());
  return run_preflight(context, asked, id, directory.get(), Deadline::never(std::move(stop))).rows;
}

}  // namespace knaller::vm
