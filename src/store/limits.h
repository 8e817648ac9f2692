// What a VM may take of its host, in vm.json and metadata.json, and in what launchers and monitors say to
// each other. Pure.
#ifndef KNALLER_STORE_LIMITS_H_
#define KNALLER_STORE_LIMITS_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "knaller/types.h"

namespace knaller::store {

// Only what is limited has a member: {"milli_cpus":500,"disk_bandwidth":{"per_second":20971520}}.
nlohmann::json limits_to_json(const Limits& limits);
// kCorrupt for what no VM can have. What is not a member is not limited.
Limits limits_from_json(const nlohmann::json& json, const std::string& what);

inline constexpr uint32_t kUsualWeight = 100;  // of a control group that was given none

// {"per_second":20971520,"burst":41943040}; per_second 0: no limit.
nlohmann::json rate_to_json(const Rate& rate);
Rate rate_from_json(const nlohmann::json& json, const std::string& what);

Limits with_changes(Limits limits, const LimitChanges& changes);
LimitChanges as_changes(const Limits& limits);  // all of them
// kInvalidArgument for values that mean nothing, whoever gave them.
void check_limits(const Limits& limits);

// A limit of all its vCPUs' time becomes no limit; more than that is kInvalidArgument.
void settle_cpus(Limits& limits, uint32_t vcpus);

// Whether there is a limit that only a control group can enforce.
bool needs_group(const Limits& limits);

}  // namespace knaller::store

#endif  // KNALLER_STORE_LIMITS_H_
