#include "vm/snapshots/preflight.h"

#include <fcntl.h>

#include "base/available_memory.h"
#include "base/error.h"
#include "base/file.h"
#include "base/free_space.h"
#include "base/parallel.h"
#include "base/text.h"
#include "engine/check_row.h"
#include "engine/choose.h"
#include "engine/engine_family.h"
#include "image/kernel.h"
#include "store/fields.h"
#include "store/labels.h"
#include "store/layout.h"
#include "store/snapshot_record.h"
#include "vm/home/host_facts.h"
#include "vm/home/layout.h"
#include "vm/snapshots/preflight_asked.h"
#include "vm/snapshots/preflight_rows.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_files.h"

namespace knaller::vm {
namespace {

using engine::doubtful;
using engine::passed;
using engine::refused;
using store::SnapshotRecord;

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

// The engine may be of another kind than the one that booted it before.
CheckRow kernel_row(const Context& context, int directory, const SnapshotRecord& record,
                    const std::optional<Engine>& engine) {
  if (!record.boot_args.empty()) {
    if (engine && engine::family_of(engine->type).needs_pvh_kernel())
      image::require_pvh(open_untrusted(directory, layout::kKernel).get(), "the snapshot's kernel");
    return passed("kernel", record.kernel.empty() ? "the snapshot's own" : record.kernel);
  }
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
  const auto read_state = [&] {
    return store::read_entry_file(directory, layout::kState, store::kLargestState);
  };
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
  guarded("engine", [&] {
    Engine engine = asked.disk_only ? choose_engine(context, asked.engine, deadline)
                                    : engine_for(context, record, asked.engine, deadline);
    rows.push_back(asked.disk_only ? any_engine_row(engine) : engine_row(record, engine));
    if (rows.back().result != CheckRow::Result::kFailed) preflight.engine = std::move(engine);
  });
  if (asked.disk_only)
    add("kernel", [&] { return kernel_row(context, directory, record, preflight.engine); });
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
