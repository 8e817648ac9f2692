#include <fmt/format.h>

#include <cmath>

#include "base/json.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

Json use_json(const ProcessUse& use) {
  // A tenth of a percent is what it is worth.
  const auto percent = use.cpu_percent ? Json(std::round(*use.cpu_percent * 10) / 10) : Json(nullptr);
  return {{"processes", use.processes},
          {"cpu_us", duration_cast<microseconds>(use.cpu).count()},
          {"cpu_percent", percent},
          {"private_bytes", use.private_bytes},
          {"shared_bytes", use.shared_bytes},
          {"pss_bytes", use.pss_bytes ? Json(*use.pss_bytes) : Json(nullptr)}};
}

// Whole ones are what it is worth.
Json rate_json(const std::optional<double>& per_second) {
  return per_second ? Json(std::llround(*per_second)) : Json(nullptr);
}

Json network_json(const VmStats::Network& network) {
  return {{"received_bytes", network.received_bytes},
          {"received_packets", network.received_packets},
          {"sent_bytes", network.sent_bytes},
          {"sent_packets", network.sent_packets},
          {"received_bytes_per_second", rate_json(network.received_bytes_per_second)},
          {"sent_bytes_per_second", rate_json(network.sent_bytes_per_second)}};
}

Json disk_json(const VmStats::Disk& disk) {
  return {{"read_bytes", disk.read_bytes},
          {"written_bytes", disk.written_bytes},
          {"reads", disk.reads ? Json(*disk.reads) : Json(nullptr)},
          {"writes", disk.writes ? Json(*disk.writes) : Json(nullptr)},
          {"read_bytes_per_second", rate_json(disk.read_bytes_per_second)},
          {"written_bytes_per_second", rate_json(disk.written_bytes_per_second)},
          {"reads_per_second", rate_json(disk.reads_per_second)},
          {"writes_per_second", rate_json(disk.writes_per_second)}};
}

Json snapshot_json(const VmStats::Snapshot& snapshot) {
  return {{"at", format_time(snapshot.at)},
          {"pause_us", snapshot.paused.count()},
          {"duration_us", snapshot.duration.count()}};
}

std::string percent_text(const std::optional<double>& percent) {
  return percent ? fmt::format("{:.1f}%", *percent) : "";
}

std::string rate_text(const std::optional<double>& per_second) {
  return per_second ? format_bytes(static_cast<uint64_t>(std::llround(*per_second))) + "/s" : "";
}

std::string remarks_of(const VmStats& vm) {
  if (!vm.running) return "does not run";
  std::string remarks;
  for (const std::string& what : vm.missing) remarks += (remarks.empty() ? "" : "; ") + what;
  return remarks;
}

// Everything but the name is empty of a VM that does not run.
std::string only_if(bool known, const std::string& text) {
  return known ? text : std::string();
}

}  // namespace

Json to_json(const VmStats& vm) {
  const bool measured = vm.engine.processes > 0;
  return {{"name", vm.name},
          {"running", vm.running},
          {"at", format_time(vm.at)},
          {"interval_us", duration_cast<microseconds>(vm.interval).count()},
          {"uptime_us", measured ? Json(duration_cast<microseconds>(vm.uptime).count()) : Json(nullptr)},
          {"reboots", vm.reboots},
          {"memory_mib", vm.running ? Json(vm.memory_mib) : Json(nullptr)},
          {"engine", measured ? use_json(vm.engine) : Json(nullptr)},
          {"helpers", vm.helpers.processes > 0 ? use_json(vm.helpers) : Json(nullptr)},
          {"network", vm.network ? network_json(*vm.network) : Json(nullptr)},
          {"disk", vm.disk ? disk_json(*vm.disk) : Json(nullptr)},
          {"last_snapshot", vm.last_snapshot ? snapshot_json(*vm.last_snapshot) : Json(nullptr)},
          {"missing", Json(vm.missing)}};
}

Fields fields_of(const VmStats& vm) {
  const bool measured = vm.engine.processes > 0;
  const auto bytes = [](const std::optional<uint64_t>& count) { return count ? format_bytes(*count) : ""; };
  return {{{"Name", vm.name},
           {"CPU", percent_text(vm.engine.cpu_percent)},
           {"Memory", only_if(measured, format_bytes(vm.engine.private_bytes))},
           {"Shared", only_if(measured, format_bytes(vm.engine.shared_bytes))},
           {"PSS", bytes(vm.engine.pss_bytes)},
           {"Guest", only_if(vm.running && vm.memory_mib != 0, fmt::format("{} MiB", vm.memory_mib))},
           {"HelperCPU", percent_text(vm.helpers.cpu_percent)},
           {"HelperMemory", only_if(vm.helpers.processes > 0, format_bytes(vm.helpers.private_bytes))},
           {"NetIn", vm.network ? format_bytes(vm.network->received_bytes) : ""},
           {"NetOut", vm.network ? format_bytes(vm.network->sent_bytes) : ""},
           {"DiskRead", vm.disk ? format_bytes(vm.disk->read_bytes) : ""},
           {"DiskWritten", vm.disk ? format_bytes(vm.disk->written_bytes) : ""},
           {"NetInRate", vm.network ? rate_text(vm.network->received_bytes_per_second) : ""},
           {"NetOutRate", vm.network ? rate_text(vm.network->sent_bytes_per_second) : ""},
           {"DiskReadRate", vm.disk ? rate_text(vm.disk->read_bytes_per_second) : ""},
           {"DiskWrittenRate", vm.disk ? rate_text(vm.disk->written_bytes_per_second) : ""},
           {"Paused", vm.last_snapshot ? format_duration(vm.last_snapshot->paused) : ""},
           {"Reboots", vm.reboots == 0 ? "" : fmt::format("{}", vm.reboots)},
           {"Uptime", only_if(measured, age(vm.at - duration_cast<SystemTime::duration>(vm.uptime), vm.at))},
           {"Remarks", remarks_of(vm)}},
          [&vm] { return json_text(to_json(vm)); }};
}

std::string stats_table(const std::vector<VmStats>& vms) {
  Table table({"NAME", "CPU", "MEMORY", "SHARED", "PSS", "GUEST", "HELPERS", "NET IN", "NET OUT", "DISK READ",
               "DISK WRITTEN", "PAUSED", "REBOOTS", "UPTIME", "REMARKS"});
  for (const VmStats& vm : vms) {
    const Fields fields = fields_of(vm);
    std::vector<std::string> row;
    for (const char* name :
         {"Name", "CPU", "Memory", "Shared", "PSS", "Guest", "HelperMemory", "NetInRate", "NetOutRate",
          "DiskReadRate", "DiskWrittenRate", "Paused", "Reboots", "Uptime", "Remarks"})
      row.push_back(*fields.find(name));
    table.add(std::move(row));
  }
  return table.render();
}

Json to_json(const VmEvent& event) {
  return {
      {"at", format_time(event.at)}, {"vm", event.vm}, {"kind", to_string(event.kind)}, {"text", event.text}};
}

// Milliseconds are enough for people, and what the text repeats of the kind is left out.
std::string event_text(const VmEvent& event) {
  const std::string kind = to_string(event.kind);
  std::string_view text = event.text;
  if (text.starts_with(kind + ": ")) text.remove_prefix(kind.size() + 2);
  std::string line = fmt::format("{}Z  {}  {}", format_time(event.at).substr(0, 23), event.vm, kind);
  if (text != kind) line += "  " + printable(text);
  return line;
}

}  // namespace knaller::cli
