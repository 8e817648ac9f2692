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

Limits with_changes(Limits limits, const LimitChanges& changes);
// kInvalidArgument for values that mean nothing, whoever gave them.
void check_limits(const Limits& limits);

// What only a control group can keep; for whoever has none.
bool needs_group(const Limits& limits);

}  // namespace knaller::store

#endif  // KNALLER_STORE_LIMITS_H_
