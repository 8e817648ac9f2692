#include "cli/view.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace knaller::cli {
namespace {

std::string memory_text(uint64_t mib) {
  return mib == 0 ? "" : fmt::format("{} MiB", mib);
}

std::string count_text(uint64_t count) {
  return count == 0 ? "" : fmt::format("{}", count);
}

std::string time_text(const SystemTime& time) {
  return time == SystemTime{} ? "" : format_time(time);
}

std::string status_of(const SnapshotInfo& snapshot) {
  if (!snapshot.broken.empty()) return "broken";
  return snapshot.foreign ? "foreign" : "ok";
}

// What is unusual about it, for a column that is mostly empty.
std::string remarks_of(const SnapshotInfo& snapshot) {
  std::string remarks = snapshot.is_protected ? "protected" : "";
  const auto add = [&](const char* remark) {
    remarks += (remarks.empty() ? "" : ", ") + std::string(remark);
  };
  if (snapshot.imported) add("imported");
  if (!snapshot.durable) add("not synced");
  return remarks;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
  std::string out;
  for (const auto& [key, value] : labels)
    out.append(out.empty() ? "" : ",").append(key).append("=").append(value);
  return out;
}

std::vector<std::string> cells(const Fields& fields, const std::vector<std::string_view>& names) {
  std::vector<std::string> row;
  for (const std::string_view name : names) row.push_back(*fields.find(name));
  return row;
}

}  // namespace

std::string age(SystemTime since, SystemTime now) {
  if (since == SystemTime{}) return "";
  const auto seconds =
      std::max<long>(0, std::chrono::duration_cast<std::chrono::seconds>(now - since).count());
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string port_text(const PortForward& port) {
  const std::string address = port.address == "127.0.0.1" ? "" : port.address + ":";
  // 0 is a free one, chosen at each start.
  const std::string host = port.host == 0 ? "any" : fmt::format("{}", port.host);
  return fmt::format("{}{}->{}{}", address, host, port.guest, port.protocol == Protocol::kUdp ? "/udp" : "");
}

std::string ports_text(const std::vector<PortForward>& ports) {
  std::string out;
  for (const PortForward& port : ports) out += (out.empty() ? "" : ", ") + port_text(port);
  return out;
}

Fields fields_of(const VmInfo& vm, SystemTime now) {
  return {{{"Name", vm.name},
           {"Status", to_string(vm.state)},
           {"Reason",
            vm.network_reason.empty() || !vm.reason.empty() ? vm.reason : "network: " + vm.network_reason},
           {"Age", age(vm.created_at, now)},
           {"CPUs", count_text(vm.vcpus)},
           {"Memory", memory_text(vm.memory_mib)},
           {"Ports", ports_text(vm.ports)},
           {"Image", vm.image},
           {"Engine", vm.engine},
           {"EngineVersion", vm.engine_version},
           {"Network", vm.network},
           {"Snapshot", vm.from_snapshot},
           {"UUID", vm.uuid},
           {"Created", time_text(vm.created_at)},
           {"Started", vm.started_at ? format_time(*vm.started_at) : ""},
           {"Directory", vm.directory},
           {"PID", count_text(static_cast<uint64_t>(vm.monitor_pid))}},
          [&vm] { return json_text(to_json(vm)); }};
}

Fields fields_of(const SnapshotInfo& snapshot, SystemTime now) {
  return {{{"ID", snapshot.id},
           {"Name", snapshot.name},
           {"VM", snapshot.vm_name},
           {"Age", age(snapshot.created_at, now)},
           {"CPUs", count_text(snapshot.vcpus)},
           {"Memory", memory_text(snapshot.memory_mib)},
           {"Size", format_bytes(snapshot.allocated_bytes)},
           {"Ports", ports_text(snapshot.ports)},
           {"Engine", snapshot.engine},
           {"EngineVersion", snapshot.engine_version},
           {"Image", snapshot.image},
           {"Parent", snapshot.parent},
           {"Paused", snapshot.paused.count() == 0 ? "" : format_duration(snapshot.paused)},
           {"Labels", labels_text(snapshot.labels)},
           {"Remarks", remarks_of(snapshot)},
           {"Status", status_of(snapshot)},
           {"Reason", snapshot.broken},
           {"Created", time_text(snapshot.created_at)},
           {"UUID", snapshot.uuid},
           {"Directory", snapshot.directory}},
          [&snapshot] { return json_text(to_json(snapshot)); }};
}

Fields fields_of(const ImageInfo& image, SystemTime now) {
  return {{{"Name", image.name},
           {"Status", image.broken.empty() ? "ok" : "broken"},
           {"Reason", image.broken},
           {"Kind", image.source},
           {"Kernel", image.kernel_version},
           {"Size", format_bytes(image.allocated_bytes)},
           {"Age", age(image.created_at, now)},
           {"Created", time_text(image.created_at)},
           {"Directory", image.directory}},
          [&image] { return json_text(to_json(image)); }};
}

std::string vm_table(const std::vector<VmInfo>& vms, SystemTime now) {
  Table table({"NAME", "STATUS", "AGE", "CPUS", "MEMORY", "PORTS", "IMAGE", "REASON"});
  for (const VmInfo& vm : vms)
    table.add(
        cells(fields_of(vm, now), {"Name", "Status", "Age", "CPUs", "Memory", "Ports", "Image", "Reason"}));
  return table.render();
}

std::string snapshot_table(const std::vector<SnapshotInfo>& snapshots, SystemTime now) {
  Table table({"ID", "NAME", "VM", "AGE", "CPUS", "MEMORY", "SIZE", "ENGINE", "STATUS", "REMARKS", "REASON"});
  for (const SnapshotInfo& snapshot : snapshots)
    table.add(cells(fields_of(snapshot, now), {"ID", "Name", "VM", "Age", "CPUs", "Memory", "Size", "Engine",
                                               "Status", "Remarks", "Reason"}));
  return table.render();
}

std::string verify_table(const std::vector<VerifyResult>& results) {
  Table table({"ID", "STATUS", "CHECKED", "FILE", "OFFSET", "REASON"});
  for (const VerifyResult& result : results) {
    const std::string status(status_name(result.status));
    if (result.damages.empty())
      table.add({result.id, status, format_bytes(result.checked_bytes), "", "", result.reason});
    for (const SnapshotDamage& damage : result.damages)
      table.add({result.id, status, format_bytes(result.checked_bytes), damage.file,
                 damage.offset ? fmt::format("{}", *damage.offset) : "", damage.reason});
  }
  return table.render();
}

std::string prune_table(const PruneResult& result, SystemTime now) {
  Table table({"ID", "NAME", "VM", "AGE", "FREES"});
  for (const PrunedSnapshot& pruned : result.removed) {
    std::vector<std::string> row = cells(fields_of(pruned.snapshot, now), {"ID", "Name", "VM", "Age"});
    row.push_back(format_bytes(pruned.freed_bytes));
    table.add(std::move(row));
  }
  return table.render();
}

std::string image_table(const std::vector<ImageInfo>& images, SystemTime now) {
  Table table({"NAME", "KIND", "KERNEL", "SIZE", "AGE", "STATUS", "REASON"});
  for (const ImageInfo& image : images)
    table.add(cells(fields_of(image, now), {"Name", "Kind", "Kernel", "Size", "Age", "Status", "Reason"}));
  return table.render();
}

}  // namespace knaller::cli
