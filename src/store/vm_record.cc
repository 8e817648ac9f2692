#include "store/vm_record.h"

#include <fcntl.h>

#include "base/text.h"
#include "store/fields.h"
#include "store/layout.h"

namespace knaller::store {
namespace {

constexpr int kFormat = 1;

}  // namespace

std::string to_json_text(const VmRecord& r) {
  Json json = {
      {"format", kFormat},
      {"name", r.name},
      {"uuid", r.uuid},
      {"created_at", format_time(r.created_at)},
      {"engine_binary", r.engine_binary},
      {"bound", ports_to_json(r.bound)},
      {"from_snapshot", r.from_snapshot},
      {"booted_since", r.booted_since},
      {"renewed", r.renewed},
      {"renew_reason", r.renew_reason},
      {"boot_id", r.boot_id},
      {"started_at", format_time(r.started_at)},
  };
  add_machine(json, r);
  return dump_json(json, 2) + "\n";
}

VmRecord parse_vm_record(std::string_view text, const std::string& expected_name) {
  const std::string what = layout::kVmRecord;
  const Json json = parse_json(text, what);
  const JsonReader reader(json, what);
  const int64_t format = reader.integer("format", 1, 1'000'000);
  if (format > kFormat)
    throw Error(Code::kUnsupported,
                fmt::format("{} is of format {}, this knaller knows {}", what, format, kFormat),
                "use the newer knaller that made this VM");
  VmRecord r;
  r.name = reader.string("name");
  if (r.name != expected_name)
    fail(Code::kCorrupt, "{} is of a VM named '{}', not '{}'", what, printable(r.name), expected_name);
  r.uuid = reader.string("uuid");
  r.created_at = time_field(reader, "created_at", what);
  read_machine(reader, what, r);
  if (r.vcpus == 0 || r.memory_mib == 0) fail(Code::kCorrupt, "{}: a VM without a processor or memory", what);
  r.engine_binary = reader.string_or("engine_binary", "");
  r.bound = ports_from_json(reader.array("bound"), what);
  r.from_snapshot = reader.string_or("from_snapshot", "");
  r.booted_since = reader.boolean_or("booted_since", false);
  r.renewed = reader.boolean_or("renewed", true);
  r.renew_reason = reader.string_or("renew_reason", "");
  r.boot_id = reader.string_or("boot_id", "");
  r.started_at = time_field(reader, "started_at", what);
  return r;
}

void write_vm_record(int directory, const VmRecord& record, Durability durability) {
  write_file_atomically(directory, layout::kVmRecord, to_json_text(record), durability);
}

VmRecord read_vm_record(int directory, const std::string& expected_name) {
  return parse_vm_record(read_own_record(directory, layout::kVmRecord), expected_name);
}

std::string host_boot_id() {
  return std::string(trim(read_file("/proc/sys/kernel/random/boot_id")));
}

}  // namespace knaller::store
