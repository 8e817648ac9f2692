// VMs, snapshots, images and checks as JSON (docs/json.md).
#include "base/json.h"
#include "base/text.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

Json or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json time_or_null(const SystemTime& time) {
  return time == SystemTime{} ? Json(nullptr) : Json(format_time(time));
}

// Host and Guest as the Go program writes them.
Json ports_json(const std::vector<PortForward>& ports) {
  Json list = Json::array();
  for (const PortForward& port : ports)
    list.push_back({{"Host", port.host},
                    {"Guest", port.guest},
                    {"Addr", port.address},
                    {"Proto", port.protocol == Protocol::kUdp ? "udp" : "tcp"}});
  return list;
}

Json rules_json(const std::vector<EgressRule>& rules) {
  Json list = Json::array();
  for (const EgressRule& rule : rules)
    list.push_back({{"to", rule.to},
                    {"port", rule.port == 0 ? Json(nullptr) : Json(rule.port)},
                    {"proto", !rule.protocol                     ? Json(nullptr)
                              : *rule.protocol == Protocol::kUdp ? Json("udp")
                                                                 : Json("tcp")}});
  return list;
}

Json rate_json(const Rate& rate) {
  if (rate.per_second == 0) return nullptr;
  return {{"per_second", rate.per_second}, {"burst", rate.burst == 0 ? rate.per_second : rate.burst}};
}

// null: no limit of the user's.
Json limits_json(const Limits& limits) {
  const auto number = [](uint64_t value) { return value == 0 ? Json(nullptr) : Json(value); };
  return {{"milli_cpus", number(limits.milli_cpus)},
          {"cpu_weight", number(limits.cpu_weight)},
          {"memory_mib", number(limits.memory_mib)},
          {"any_memory", limits.any_memory},
          {"processes", number(limits.processes)},
          {"slice", or_null(limits.slice)},
          {"best_effort", limits.best_effort},
          {"disk_bandwidth", rate_json(limits.disk_bandwidth)},
          {"disk_operations", rate_json(limits.disk_operations)},
          {"network_bandwidth", rate_json(limits.network_bandwidth)}};
}

Json usage_json(const std::optional<VmUsage>& usage) {
  if (!usage) return nullptr;
  return {
      {"memory_bytes", usage->memory_bytes}, {"processes", usage->processes}, {"cpu_us", usage->cpu.count()}};
}

Json egress_json(const Egress& egress) {
  return {{"mode", egress.mode == EgressMode::kNone ? "none" : "internet"},
          {"allow", rules_json(egress.allow)},
          {"deny", rules_json(egress.deny)}};
}

std::string_view result_name(CheckRow::Result result) {
  switch (result) {
    case CheckRow::Result::kOk:
      return "ok";
    case CheckRow::Result::kWarning:
      return "warning";
    case CheckRow::Result::kFailed:
      break;
  }
  return "failed";
}

}  // namespace

Json to_json(const VmInfo& vm) {
  return {{"name", vm.name},
          {"uuid", or_null(vm.uuid)},
          {"state", to_string(vm.state)},
          {"reason", or_null(vm.reason)},
          {"network", or_null(vm.network)},
          {"network_reason", or_null(vm.network_reason)},
          {"created_at", time_or_null(vm.created_at)},
          {"started_at", vm.started_at ? Json(format_time(*vm.started_at)) : Json(nullptr)},
          {"vcpus", vm.vcpus},
          {"memory_mib", vm.memory_mib},
          {"ports", ports_json(vm.ports)},
          {"egress", egress_json(vm.egress)},
          {"limits", limits_json(vm.limits)},
          {"control_group", or_null(vm.control_group)},
          {"usage", usage_json(vm.usage)},
          {"agent", vm.agent},
          {"image", or_null(vm.image)},
          {"engine", or_null(vm.engine)},
          {"engine_version", or_null(vm.engine_version)},
          {"from_snapshot", or_null(vm.from_snapshot)},
          {"directory", or_null(vm.directory)},
          {"renewed", vm.renewed},
          {"renew_reason", or_null(vm.renew_reason)},
          {"monitor_pid", vm.monitor_pid == 0 ? Json(nullptr) : Json(vm.monitor_pid)},
          {"engine_pid", vm.engine_pid == 0 ? Json(nullptr) : Json(vm.engine_pid)}};
}

Json to_json(const SnapshotInfo& snapshot) {
  return {{"id", snapshot.id},
          {"uuid", or_null(snapshot.uuid)},
          {"name", or_null(snapshot.name)},
          {"labels", Json(snapshot.labels)},
          {"vm_name", or_null(snapshot.vm_name)},
          {"created_at", time_or_null(snapshot.created_at)},
          {"vcpus", snapshot.vcpus},
          {"memory_mib", snapshot.memory_mib},
          {"ports", ports_json(snapshot.ports)},
          {"engine", or_null(snapshot.engine)},
          {"engine_version", or_null(snapshot.engine_version)},
          {"image", or_null(snapshot.image)},
          {"parent", or_null(snapshot.parent)},
          {"pause_us", snapshot.paused.count()},
          {"paused_at", snapshot.paused_at ? time_or_null(*snapshot.paused_at) : Json()},
          {"resumed_at", snapshot.resumed_at ? time_or_null(*snapshot.resumed_at) : Json()},
          {"capture", or_null(snapshot.capture)},
          {"capture_reason", or_null(snapshot.capture_reason)},
          {"has_disk", snapshot.has_disk},
          {"has_memory", snapshot.has_memory},
          {"allocated_bytes", snapshot.allocated_bytes},
          {"protected", snapshot.is_protected},
          {"durable", snapshot.durable},
          {"foreign", snapshot.foreign},
          {"imported", snapshot.imported ? time_or_null(*snapshot.imported) : Json()},
          {"broken", or_null(snapshot.broken)},
          {"directory", or_null(snapshot.directory)}};
}

Json to_json(const ImageInfo& image) {
  return {{"name", image.name},
          {"created_at", time_or_null(image.created_at)},
          {"kernel_version", or_null(image.kernel_version)},
          {"source", or_null(image.source)},
          {"allocated_bytes", image.allocated_bytes},
          {"has_base", image.has_base},
          {"guest_protocol", image.guest_protocol},
          {"broken", or_null(image.broken)},
          {"directory", or_null(image.directory)}};
}

Json to_json(const SessionInfo& session) {
  const bool exited = !session.running && session.result.signal == 0;
  return {{"id", session.id},
          {"process", session.process},
          {"user", session.user},
          {"started_at", format_time(session.started_at)},
          {"argv", session.argv},
          {"detached", session.detached},
          {"attached", session.attached},
          {"tty", session.tty},
          {"running", session.running},
          {"exit_code", exited ? Json(session.result.exit_code) : Json(nullptr)},
          {"signal", session.result.signal != 0 ? Json(session.result.signal) : Json(nullptr)}};
}

Json to_json(const CheckRow& check) {
  return {{"name", check.name},
          {"result", result_name(check.result)},
          {"detail", or_null(check.detail)},
          {"remedy", or_null(check.remedy)},
          {"code", check.code ? Json(to_string(*check.code)) : Json(nullptr)},
          {"judgement", check.judgement}};
}

std::string_view status_name(VerifyResult::Status status) {
  switch (status) {
    case VerifyResult::Status::kOk:
      return "ok";
    case VerifyResult::Status::kUnverifiable:
      return "unverifiable";
    case VerifyResult::Status::kDamaged:
      break;
  }
  return "damaged";
}

Json to_json(const VerifyResult& result) {
  Json damages = Json::array();
  for (const SnapshotDamage& damage : result.damages)
    damages.push_back({{"file", damage.file},
                       {"offset", damage.offset ? Json(*damage.offset) : Json(nullptr)},
                       {"reason", damage.reason}});
  return {{"id", result.id},
          {"status", status_name(result.status)},
          {"reason", or_null(result.reason)},
          {"damages", std::move(damages)},
          {"checked_bytes", result.checked_bytes}};
}

}  // namespace knaller::cli
