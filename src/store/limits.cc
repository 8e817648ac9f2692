#include "store/limits.h"

#include "base/error.h"
#include "base/json.h"
#include "store/fields.h"

namespace knaller::store {
namespace {

constexpr int64_t kLeastMilliCpus = 10;  // the kernel's: a millisecond of each 100
constexpr int64_t kMostMilliCpus = kMostVcpus * 1000;
constexpr int64_t kMostWeight = 10'000;
constexpr int64_t kLeastProcesses = 32;  // an engine with 16 vCPUs and its network
constexpr int64_t kMostProcesses = 100'000;
constexpr uint64_t kMostRate = uint64_t{1} << 50;

void add_rate(Json& object, const char* key, const Rate& rate) {
  if (rate.per_second != 0) object[key] = rate_to_json(rate);
}

Rate read_rate(const JsonReader& reader, const char* key, const std::string& what) {
  return reader.has(key) ? rate_from_json(reader.object(key), what + ": " + key) : Rate{};
}

void check_number(std::string_view what, uint64_t value, int64_t least, int64_t most) {
  if (value == 0) return;
  if (value < static_cast<uint64_t>(least) || value > static_cast<uint64_t>(most))
    fail(Code::kInvalidArgument, "{} of {}: {} to {} are possible", what, value, least, most);
}

// What saves up less than a tenth of a second's worth can't be refilled evenly, and more than an hour's is no
// limit.
void check_rate(std::string_view what, const Rate& rate) {
  if (rate.per_second > kMostRate || rate.burst > kMostRate)
    fail(Code::kInvalidArgument, "{}: the most that can be asked for is {} a second", what, kMostRate);
  if (rate.burst == 0) return;
  if (rate.per_second == 0) fail(Code::kInvalidArgument, "{}: a burst without a limit", what);
  if (rate.burst < rate.per_second / 10 || rate.burst / 3600 > rate.per_second)
    fail(Code::kInvalidArgument, "{}: a burst of {} does not go with {} a second: {} to {} are possible",
         what, rate.burst, rate.per_second, rate.per_second / 10, rate.per_second * 3600);
}

}  // namespace

Json rate_to_json(const Rate& rate) {
  Json json{{"per_second", rate.per_second}};
  if (rate.burst != 0) json["burst"] = rate.burst;
  return json;
}

Rate rate_from_json(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  constexpr auto kMost = static_cast<int64_t>(kMostRate);
  return {.per_second = static_cast<uint64_t>(reader.integer("per_second", 0, kMost)),
          .burst = static_cast<uint64_t>(reader.integer_or("burst", 0, 0, kMost))};
}

Json limits_to_json(const Limits& limits) {
  Json json = Json::object();
  const auto add = [&json](const char* key, uint64_t value) {
    if (value != 0) json[key] = value;
  };
  add("milli_cpus", limits.milli_cpus);
  add("cpu_weight", limits.cpu_weight);
  add("memory_mib", limits.memory_mib);
  add("processes", limits.processes);
  if (limits.any_memory) json["any_memory"] = true;
  if (!limits.slice.empty()) json["slice"] = limits.slice;
  if (limits.best_effort) json["best_effort"] = true;
  add_rate(json, "disk_bandwidth", limits.disk_bandwidth);
  add_rate(json, "disk_operations", limits.disk_operations);
  add_rate(json, "network_bandwidth", limits.network_bandwidth);
  return json;
}

Limits limits_from_json(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  Limits limits;
  limits.milli_cpus = static_cast<uint32_t>(reader.integer_or("milli_cpus", 0, 0, kMostMilliCpus));
  limits.cpu_weight = static_cast<uint32_t>(reader.integer_or("cpu_weight", 0, 0, kMostWeight));
  limits.memory_mib = static_cast<uint64_t>(reader.integer_or("memory_mib", 0, 0, 2 * kMostMemoryMib));
  limits.processes = static_cast<uint32_t>(reader.integer_or("processes", 0, 0, kMostProcesses));
  limits.any_memory = reader.boolean_or("any_memory", false);
  limits.slice = reader.string_or("slice", "");
  limits.best_effort = reader.boolean_or("best_effort", false);
  limits.disk_bandwidth = read_rate(reader, "disk_bandwidth", what);
  limits.disk_operations = read_rate(reader, "disk_operations", what);
  limits.network_bandwidth = read_rate(reader, "network_bandwidth", what);
  try {
    check_limits(limits);
  } catch (const Error& error) {
    fail(Code::kCorrupt, "{}: {}", what, error.message());
  }
  return limits;
}

Limits with_changes(Limits limits, const LimitChanges& changes) {
  const auto take = [](auto& value, const auto& change) {
    if (change) value = *change;
  };
  take(limits.milli_cpus, changes.milli_cpus);
  take(limits.cpu_weight, changes.cpu_weight);
  // Each takes the other's place.
  if (changes.memory_mib) limits.any_memory = false;
  if (changes.any_memory.value_or(false)) limits.memory_mib = 0;
  take(limits.memory_mib, changes.memory_mib);
  take(limits.any_memory, changes.any_memory);
  take(limits.processes, changes.processes);
  take(limits.slice, changes.slice);
  take(limits.best_effort, changes.best_effort);
  take(limits.disk_bandwidth, changes.disk_bandwidth);
  take(limits.disk_operations, changes.disk_operations);
  take(limits.network_bandwidth, changes.network_bandwidth);
  return limits;
}

LimitChanges as_changes(const Limits& limits) {
  LimitChanges changes{.milli_cpus = limits.milli_cpus,
                       .cpu_weight = limits.cpu_weight,
                       .memory_mib = limits.memory_mib,
                       .any_memory = limits.any_memory,
                       .processes = limits.processes,
                       .slice = limits.slice,
                       .best_effort = limits.best_effort,
                       .disk_bandwidth = limits.disk_bandwidth,
                       .disk_operations = limits.disk_operations,
                       .network_bandwidth = limits.network_bandwidth};
  return changes;
}

void check_limits(const Limits& limits) {
  if (limits.milli_cpus != 0 && (limits.milli_cpus < kLeastMilliCpus || limits.milli_cpus > kMostMilliCpus))
    fail(Code::kInvalidArgument, "{}.{:03} CPUs: 0.01 to {} are possible", limits.milli_cpus / 1000,
         limits.milli_cpus % 1000, kMostVcpus);
  check_number("a CPU weight", limits.cpu_weight, 1, kMostWeight);
  check_number("a limit of processes", limits.processes, kLeastProcesses, kMostProcesses);
  check_number("a limit of memory, in MiB,", limits.memory_mib, 1, 2 * kMostMemoryMib);
  if (limits.any_memory && limits.memory_mib != 0)
    fail(Code::kInvalidArgument, "memory is limited, and not limited");
  check_rate("a disk bandwidth", limits.disk_bandwidth);
  check_rate("a number of disk operations", limits.disk_operations);
  check_rate("a network bandwidth", limits.network_bandwidth);
}

void settle_cpus(Limits& limits, uint32_t vcpus) {
  if (limits.milli_cpus > vcpus * 1000)
    throw Error(Code::kInvalidArgument,
                fmt::format("{} vCPU{} can't use {}.{:03} processors", vcpus, vcpus == 1 ? "" : "s",
                            limits.milli_cpus / 1000, limits.milli_cpus % 1000),
                "how many vCPUs a VM has is said when it is made");
  if (limits.milli_cpus == vcpus * 1000) limits.milli_cpus = 0;
}

bool needs_group(const Limits& limits) {
  return limits.milli_cpus != 0 || limits.cpu_weight != 0 || limits.memory_mib != 0 ||
         limits.processes != 0 || !limits.slice.empty();
}

}  // namespace knaller::store
