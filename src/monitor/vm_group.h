// The control group of a VM: its engine and its pasta are in it, its monitor is not. A VM may have none; then
// nothing here does anything. The event loop's thread only.
#ifndef KNALLER_MONITOR_VM_GROUP_H_
#define KNALLER_MONITOR_VM_GROUP_H_

#include <sys/types.h>

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/control_group.h"
#include "knaller/types.h"

namespace knaller::monitor {

// What a launcher found, and wants.
struct GroupSpec {
  std::string folder;     // absolute, of a GroupPlace; empty: none
  bool required = false;  // somebody asked for what only the group can enforce
  GroupLimits limits;
};
// {"memory_bytes":…,"processes":…,"cpu_us":…}, without what is not counted.
VmUsage usage_from_json(const nlohmann::json& json);
nlohmann::json group_spec_to_json(const GroupSpec& spec);
GroupSpec group_spec_from_json(const nlohmann::json& json);

class VmGroup {
 public:
  // `record` takes what goes wrong and is no reason to fail.
  using Record = std::function<void(const std::string& what)>;

  VmGroup() = default;
  // A group that can't be made is an error only if it is required.
  VmGroup(const GroupSpec& spec, const std::string& name, Record record);

  int fd() const { return group_ ? group_->fd() : -1; }  // -1: none
  std::string path() const { return group_ ? group_->path() : std::string(); }
  void add(pid_t process);
  // kUnsupported without a group, if there is something to be limited.
  void limit(const GroupLimits& limits);
  // Since this was asked last.
  bool ran_out_of_memory();
  nlohmann::json usage() const;
  // Kills what is left in it, and removes it.
  void end();

 private:
  std::optional<ControlGroup> group_;
  Record record_;
  uint64_t memory_kills_ = 0;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_VM_GROUP_H_
