#include "store/snapshot_record.h"

#include <fcntl.h>

#include "base/text.h"
#include "store/fields.h"
#include "store/layout.h"

namespace knaller::store {
namespace {

constexpr int kFormat = 1;

void read_own_fields(const JsonReader& reader, const std::string& what, SnapshotRecord& r) {
  read_machine(reader, what, r);
  r.uuid = reader.string("uuid");
  r.vm_uuid = reader.string_or("vm_uuid", "");
  r.cpu = cpu_from_json(reader.object("cpu"), what + ": cpu");
  r.kernel = reader.string_or("kernel", "");
  r.tsc_khz = static_cast<uint64_t>(reader.integer_or("tsc_khz", 0, 0, INT64_MAX));
  r.ssh_host_keys = reader.string_or("ssh_host_keys", "");
  r.parent = reader.string_or("parent", "");
  r.paused = std::chrono::microseconds(reader.integer_or("pause_us", 0, 0, int64_t{1} << 50));
  r.paused_at = optional_time_field(reader, "paused_at", what);
  r.resumed_at = optional_time_field(reader, "resumed_at", what);
  r.capture = reader.string_or("capture", "");
  r.capture_reason = reader.string_or("capture_reason", "");
  r.has_disk = reader.boolean_or("has_disk", true);
  r.has_memory = reader.boolean_or("has_memory", true);
  r.durable = reader.boolean_or("durable", true);
}

// It is shown, and compared with names. The Go program has no rule for them.
void check_vm_name(const SnapshotRecord& r, const std::string& what) {
  const bool of_go = r.is_foreign() || !r.network_of.empty();
  if (Name::is_valid(r.vm_name) || (of_go && !r.vm_name.empty() && printable(r.vm_name) == r.vm_name)) return;
  fail(Code::kCorrupt, "{}: 'vm_name' is '{}', which can't be the name of a VM", what, printable(r.vm_name));
}

}  // namespace

std::string to_json_text(const SnapshotRecord& r) {
  Json json = {
      {"id", r.id},
      {"vm_name", r.vm_name},
      {"created_at", format_time(r.created_at)},
      {"format", r.format},
      {"uuid", r.uuid},
      {"vm_uuid", r.vm_uuid},
      {"cpu", cpu_to_json(r.cpu)},
      {"kernel", r.kernel},
      {"tsc_khz", r.tsc_khz},
      {"ssh_host_keys", r.ssh_host_keys},
      {"parent", r.parent},
      {"pause_us", r.paused.count()},
      {"capture", r.capture},
      {"capture_reason", r.capture_reason},
      {"has_disk", r.has_disk},
      {"durable", r.durable},
  };
  // Said only where it matters: those before this was known have memory.
  if (!r.has_memory) json["has_memory"] = false;
  if (r.paused_at) json["paused_at"] = format_time(*r.paused_at);
  if (r.resumed_at) json["resumed_at"] = format_time(*r.resumed_at);
  add_machine(json, r);
  return dump_json(json, 2) + "\n";
}

SnapshotRecord parse_snapshot_record(std::string_view text, const SnapshotId& expected) {
  const std::string what = layout::kMetadata;
  const Json json = parse_json(text, what);
  const JsonReader reader(json, what);
  SnapshotRecord r;
  r.format = static_cast<int>(reader.integer_or("format", 0, 0, 1'000'000));
  if (r.format > kFormat)
    throw Error(Code::kUnsupported,
                fmt::format("{} is of format {}, this knaller knows {}", what, r.format, kFormat),
                "use the newer knaller that made this snapshot");
  r.id = reader.string("id");
  if (r.id != expected.str())
    fail(Code::kCorrupt, "{} is of snapshot '{}', not '{}'", what, printable(r.id), expected.str());
  r.vm_name = reader.string("vm_name");
  r.created_at = time_field(reader, "created_at", what);
  if (r.is_foreign()) {
    read_basic_machine(reader, what, r);
    r.engine = EngineType::kFirecracker;  // the only one that the Go program has
    r.network_of = r.vm_name;
    r.network_device = true;
  } else {
    read_own_fields(reader, what, r);
  }
  check_vm_name(r, what);
  return r;
}

std::vector<std::string> files_needed(const SnapshotRecord& record, Needed needed) {
  std::vector<std::string> names{layout::kMetadata};
  if (needed == Needed::kAll && record.has_memory)
    names.insert(names.end(), {layout::kState, layout::kMemory});
  if (record.has_disk) names.emplace_back(record.has_base ? layout::kDisk : layout::kRootfs);
  if (record.has_base) names.emplace_back(layout::kBase);
  if (!record.boot_args.empty()) names.emplace_back(layout::kKernel);
  if (record.has_initrd) names.emplace_back(layout::kInitrd);
  if (record.has_ssh) names.emplace_back(layout::kSshKey);
  return names;
}

SnapshotRecord read_snapshot_record(int directory, const SnapshotId& id) {
  return parse_snapshot_record(read_entry_file(directory, layout::kMetadata), id);
}

}  // namespace knaller::store
