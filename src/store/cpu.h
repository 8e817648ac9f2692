// Which processor a host has, as far as a guest can tell: KVM shows it to the guest, and a saved state relies
// on it.
#ifndef KNALLER_STORE_CPU_H_
#define KNALLER_STORE_CPU_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::store {

struct CpuIdentity {
  std::string vendor;  // "AuthenticAMD"
  int64_t family = 0;
  int64_t model = 0;
  std::string name;
  std::string features;  // the kernel's flags, separated by spaces; empty in records from before this was
                         // noted

  bool operator==(const CpuIdentity&) const = default;
};

CpuIdentity host_cpu();
// The first processor's paragraph of /proc/cpuinfo. Pure.
CpuIdentity parse_cpu(std::string_view cpuinfo);
bool has_feature(const CpuIdentity& cpu, std::string_view feature);
// Instruction sets that `there` has and `here` lacks, and that a guest may have begun to use. Pure.
std::vector<std::string> missing_features(const CpuIdentity& there, const CpuIdentity& here);

nlohmann::json cpu_to_json(const CpuIdentity& cpu);
CpuIdentity cpu_from_json(const nlohmann::json& json, const std::string& what);

}  // namespace knaller::store

#endif  // KNALLER_STORE_CPU_H_
