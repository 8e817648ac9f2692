#include "vm/life/limits.h"

#include "base/error.h"
#include "engine/engine_family.h"
#include "store/limits.h"

namespace knaller::vm {
namespace {

// Beside the guest's memory and what the engine takes (ADR 88). The kernel's tables of the guest's memory,
// the engine's and KVM's, are a 256th of it. The rest is page cache: with less than this the guest's disk is
// no faster than the host's.
constexpr uint64_t kCacheMib = 512;
constexpr uint64_t kCacheShare = 8;
// Firecracker has two threads and one for each vCPU; QEMU up to 64 for its disks; then pasta, and whoever
// joins the namespaces for a moment. An engine's own limit is 512 (RLIMIT_NPROC).
constexpr uint64_t kProcesses = 640;
// A disk's own traffic is more than its guest's: journals, and what is read ahead. The engine's limiter is
// the stricter one, as long as the engine is honest.
constexpr uint64_t kDeviceFactor = 2;

uint64_t default_memory_mib(const store::Machine& machine) {
  const uint64_t engine = engine::family_of(machine.engine).overhead_mib();
  return machine.memory_mib + engine + kCacheMib + machine.memory_mib / kCacheShare;
}

uint64_t or_none(uint64_t value) {
  return value == 0 ? UINT64_MAX : value;
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Those that the place's controllers can keep.
GroupLimits possible_limits(const store::Machine& machine, const GroupPlace& place) {
  GroupLimits limits = group_limits(machine);
  if (!place.has("memory")) limits.memory = limits.swap = std::nullopt;
  if (!place.has("pids")) limits.processes.reset();
  if (!place.has("cpu")) limits.milli_cpus = limits.cpu_weight = std::nullopt;
  return limits;
}

[[noreturn]] void refuse(const std::vector<std::string>& missing, const GroupPlace& place) {
  throw Error(
      Code::kUnsupported, fmt::format("{} can't be enforced here: {}", list(missing), place.why_not),
      fmt::format("{}\nor start without it: --best-effort (an existing VM: knaller set NAME --best-effort)",
                  place.remedy));
}

}  // namespace

GroupLimits group_limits(const store::Machine& machine) {
  const Limits& limits = machine.limits;
  const uint64_t mib = limits.memory_mib != 0 ? limits.memory_mib : default_memory_mib(machine);
  return {.memory = limits.any_memory ? UINT64_MAX : mib << 20,
          // As much as the host may want to swap out of an honest guest.
          .swap = limits.any_memory ? UINT64_MAX : machine.memory_mib << 20,
          .processes = limits.processes != 0 ? limits.processes : kProcesses,
          .milli_cpus = or_none(limits.milli_cpus),
          .cpu_weight = limits.cpu_weight != 0 ? limits.cpu_weight : store::kUsualWeight};
}

std::vector<std::string> left_out(const store::Machine& machine, const GroupPlace& place) {
  const Limits& limits = machine.limits;
  std::vector<std::string> missing;
  const auto need = [&](bool asked, const char* controller, const char* flag) {
    if (asked && !place.has(controller)) missing.emplace_back(flag);
  };
  need(limits.milli_cpus != 0, "cpu", "--cpus");
  need(limits.cpu_weight != 0, "cpu", "--cpu-weight");
  need(limits.memory_mib != 0, "memory", "--memory-max");
  need(limits.processes != 0, "pids", "--pids");
  if (!limits.slice.empty() && place.folder.empty()) missing.emplace_back("--cgroup-slice");
  return missing;
}

std::optional<DeviceLimit> device_limit(const Limits& limits, int fd) {
  const auto disk = disk_of(fd);
  if (!disk) return std::nullopt;
  return DeviceLimit{.device = *disk,
                     .bytes = limits.disk_bandwidth.per_second * kDeviceFactor,
                     .operations = limits.disk_operations.per_second * kDeviceFactor};
}

void require_limits(const store::Machine& machine) {
  if (!store::needs_group(machine.limits) || machine.limits.best_effort) return;
  const GroupPlace place = prepare_group_place(machine.limits.slice);
  const auto missing = left_out(machine, place);
  if (!missing.empty()) refuse(missing, place);
}

monitor::GroupSpec group_spec(const Context& context, const store::VmRecord& record, int directory) {
  GroupPlace place;
  try {
    place = prepare_group_place(record.limits.slice);
  } catch (const Error& error) {
    if (!record.limits.best_effort) throw;
    place.why_not = error.what();
  }
  const auto missing = left_out(record, place);
  if (!missing.empty() && !record.limits.best_effort) refuse(missing, place);
  if (!missing.empty())
    context.note(
        fmt::format("started without {}, which can't be enforced here: {}", list(missing), place.why_not));
  monitor::GroupSpec spec{.folder = place.folder,
                          .required = store::needs_group(record.limits) && !record.limits.best_effort,
                          .limits = possible_limits(record, place)};
  const Rate none;
  if (place.has("io") && (record.limits.disk_bandwidth != none || record.limits.disk_operations != none))
    spec.limits.device = device_limit(record.limits, directory);
  return spec;
}

}  // namespace knaller::vm
