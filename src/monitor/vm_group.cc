#include "monitor/vm_group.h"

#include "base/error.h"
#include "base/json.h"

namespace knaller::monitor {
namespace {

constexpr char kGroupLimits[] = "the control group's limits";
// A process that is being ended may still have a guest's memory to give back.
constexpr std::chrono::seconds kEndTime{5};

// -1 stands for "no limit".
void add(Json& object, const char* key, const std::optional<uint64_t>& value) {
  if (value) object[key] = *value == UINT64_MAX ? int64_t{-1} : static_cast<int64_t>(*value);
}

std::optional<uint64_t> read(const JsonReader& reader, const char* key) {
  if (!reader.has(key)) return std::nullopt;
  const int64_t value = reader.integer(key, -1, INT64_MAX);
  return value < 0 ? UINT64_MAX : static_cast<uint64_t>(value);
}

}  // namespace

Json group_spec_to_json(const GroupSpec& spec) {
  Json json{{"folder", spec.folder}, {"required", spec.required}};
  add(json, "memory", spec.limits.memory);
  add(json, "swap", spec.limits.swap);
  add(json, "processes", spec.limits.processes);
  add(json, "milli_cpus", spec.limits.milli_cpus);
  add(json, "cpu_weight", spec.limits.cpu_weight);
  if (const auto& device = spec.limits.device)
    json["device"] = {
        {"number", device->device}, {"bytes", device->bytes}, {"operations", device->operations}};
  return json;
}

GroupSpec group_spec_from_json(const Json& json) {
  const JsonReader reader(json, kGroupLimits, Code::kInvalidArgument);
  GroupSpec spec{.folder = reader.string_or("folder", ""), .required = reader.boolean_or("required", false)};
  spec.limits = {.memory = read(reader, "memory"),
                 .swap = read(reader, "swap"),
                 .processes = read(reader, "processes"),
                 .milli_cpus = read(reader, "milli_cpus"),
                 .cpu_weight = read(reader, "cpu_weight")};
  if (reader.has("device")) {
    const JsonReader device(reader.object("device"), kGroupLimits, Code::kInvalidArgument);
    spec.limits.device = {.device = device.string("number"),
                          .bytes = static_cast<uint64_t>(device.integer("bytes", 0, INT64_MAX)),
                          .operations = static_cast<uint64_t>(device.integer("operations", 0, INT64_MAX))};
  }
  return spec;
}

VmUsage usage_from_json(const Json& json) {
  const JsonReader reader(json, "what a VM uses", Code::kInvalidArgument);
  const auto number = [&](const char* key) { return reader.integer_or(key, 0, 0, INT64_MAX); };
  return {.memory_bytes = static_cast<uint64_t>(number("memory_bytes")),
          .processes = static_cast<uint64_t>(number("processes")),
          .cpu = std::chrono::microseconds(number("cpu_us"))};
}

VmGroup::VmGroup(const GroupSpec& spec, const std::string& name, Record record) : record_(std::move(record)) {
  if (spec.folder.empty()) return;
  try {
    group_.emplace(ControlGroup::make(spec.folder, name));
    group_->limit(spec.limits);
  } catch (Error& error) {
    group_.reset();
    if (spec.required) throw error.in("limit the VM");
    record_(fmt::format("the VM runs without a control group: {}", error.what()));
  }
}

void VmGroup::add(pid_t process) {
  if (!group_) return;
  try {
    group_->add(process);
  } catch (const Error& error) {
    record_(fmt::format("a process of the VM's is not in its control group: {}", error.what()));
  }
}

void VmGroup::limit(const GroupLimits& limits) {
  if (group_) return group_->limit(limits);
  const bool asks = limits.memory || limits.processes || limits.milli_cpus || limits.cpu_weight;
  if (asks)
    throw Error(Code::kUnsupported, "the VM was started without a control group",
                "it is limited from its next start on: stop it, set the limit, and start it where a control "
                "group is delegated to you (systemd-run --user --scope knaller start …)");
}

bool VmGroup::ran_out_of_memory() {
  if (!group_) return false;
  const uint64_t kills = group_->memory_kills();
  return kills > std::exchange(memory_kills_, kills);
}

Json VmGroup::usage() const {
  Json json = Json::object();
  if (!group_) return json;
  const GroupUsage usage = group_->usage();
  if (usage.memory) json["memory_bytes"] = *usage.memory;
  if (usage.processes) json["processes"] = *usage.processes;
  if (usage.cpu_microseconds) json["cpu_us"] = *usage.cpu_microseconds;
  return json;
}

void VmGroup::end() {
  if (!group_) return;
  try {
    group_->remove(Deadline::after(kEndTime));
  } catch (const Error& error) {
    record_(fmt::format("the VM's control group stays behind: {}", error.what()));
  }
  group_.reset();
}

}  // namespace knaller::monitor
