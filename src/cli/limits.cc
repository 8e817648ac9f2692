#include "cli/limits.h"

namespace knaller::cli {
namespace {

std::optional<uint32_t> small(const std::optional<int64_t>& number) {
  return number ? std::optional(static_cast<uint32_t>(*number)) : std::nullopt;
}

void take_memory(const Invocation& args, LimitChanges& changes) {
  const auto mib = args.get<int64_t>("memory-max");
  if (!mib) return;
  if (*mib < 0)
    changes.any_memory = true;
  else
    changes.memory_mib = static_cast<uint64_t>(*mib);
}

}  // namespace

LimitChanges limit_changes(const Invocation& args) {
  LimitChanges changes;
  changes.milli_cpus = small(args.get<int64_t>("cpus"));
  changes.cpu_weight = small(args.get<int64_t>("cpu-weight"));
  changes.processes = small(args.get<int64_t>("pids"));
  take_memory(args, changes);
  if (args.has("cgroup-slice")) changes.slice = args.text("cgroup-slice");
  changes.best_effort = args.is_on("best-effort");
  changes.disk_bandwidth = args.get<Rate>("disk-bandwidth");
  changes.disk_operations = args.get<Rate>("disk-iops");
  changes.network_bandwidth = args.get<Rate>("network-bandwidth");
  return changes;
}

Limits limits_of(const LimitChanges& changes) {
  return {.milli_cpus = changes.milli_cpus.value_or(0),
          .cpu_weight = changes.cpu_weight.value_or(0),
          .memory_mib = changes.memory_mib.value_or(0),
          .any_memory = changes.any_memory.value_or(false),
          .processes = changes.processes.value_or(0),
          .slice = changes.slice.value_or(""),
          .best_effort = changes.best_effort.value_or(false),
          .disk_bandwidth = changes.disk_bandwidth.value_or(Rate{}),
          .disk_operations = changes.disk_operations.value_or(Rate{}),
          .network_bandwidth = changes.network_bandwidth.value_or(Rate{})};
}

}  // namespace knaller::cli
