#include "store/vm_record.h"

#include <fcntl.h>

#include "base/text.h"
#include "store/fields.h"

namespace knaller::store {
namespace {

constexpr int kFormat = 1;
const char* const kFile = "vm.json";

}  // namespace

std::string to_json_text(const VmRecord& r) {
  const Json json = {
      {"format", kFormat},
      {"name", r.name},
      {"uuid", r.uuid},
      {"created_at", format_time(r.created_at)},
      {"vcpus", r.vcpus},
      {"mem_size_mib", r.memory_mib},
      {"boot_args", r.boot_args},
      {"has_base", r.has_base},
      {"has_initrd", r.has_initrd},
      {"image", r.image},
      {"guest_protocol", r.guest_protocol},
      {"has_ssh", r.has_ssh},
      {"network", to_text(r.network)},
      {"ports", ports_to_json(r.ports)},
      {"bound", ports_to_json(r.bound)},
      {"ssh_port", r.ssh_port},
      {"network_of", r.network_of},
      {"engine", r.engine},
      {"engine_binary", r.engine_binary},
      {"engine_version", r.engine_version},
      {"on_reboot", r.on_reboot == OnReboot::kStop ? "stop" : "restart"},
      {"from_snapshot", r.from_snapshot},
      {"renewed", r.renewed},
      {"renew_reason", r.renew_reason},
      {"boot_id", r.boot_id},
      {"started_at", format_time(r.started_at)},
  };
  return dump_json(json, 2) + "\n";
}

VmRecord parse_vm_record(std::string_view text, const std::string& expected_name) {
  const std::string what = kFile;
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
  r.vcpus = static_cast<uint32_t>(reader.integer("vcpus", 1, kMostVcpus));
  r.memory_mib = static_cast<uint64_t>(reader.integer("mem_size_mib", 1, kMostMemoryMib));
  r.boot_args = reader.string_or("boot_args", "");
  r.has_base = reader.boolean_or("has_base", false);
  r.has_initrd = reader.boolean_or("has_initrd", false);
  r.image = reader.string_or("image", "");
  r.guest_protocol = static_cast<int>(reader.integer_or("guest_protocol", 0, 0, 1000));
  r.has_ssh = reader.boolean_or("has_ssh", false);
  r.network = network_from_text(reader.string_or("network", "rootless"), what);
  r.ports = ports_from_json(reader.array("ports"), what);
  r.bound = ports_from_json(reader.array("bound"), what);
  r.ssh_port = static_cast<uint16_t>(reader.integer_or("ssh_port", 0, 0, 65535));
  r.network_of = reader.string_or("network_of", "");
  r.engine = reader.string("engine");
  r.engine_binary = reader.string_or("engine_binary", "");
  r.engine_version = reader.string_or("engine_version", "");
  r.on_reboot = reader.string_or("on_reboot", "restart") == "stop" ? OnReboot::kStop : OnReboot::kRestart;
  r.from_snapshot = reader.string_or("from_snapshot", "");
  r.renewed = reader.boolean_or("renewed", true);
  r.renew_reason = reader.string_or("renew_reason", "");
  r.boot_id = reader.string_or("boot_id", "");
  r.started_at = time_field(reader, "started_at", what);
  return r;
}

void write_vm_record(int directory, const VmRecord& record, Durability durability) {
  write_file_atomically(directory, kFile, to_json_text(record), durability);
}

VmRecord read_vm_record(int directory, const std::string& expected_name) {
  return parse_vm_record(read_file(directory, kFile), expected_name);
}

std::string host_boot_id() {
  return std::string(trim(read_file("/proc/sys/kernel/random/boot_id")));
}

}  // namespace knaller::store
