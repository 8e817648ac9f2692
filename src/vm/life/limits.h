// A VM's limits as its control group enforces them: which there are, where the host can enforce them, and
// what is said when it can't. Those that the engine enforces are in limiters.h.
#ifndef KNALLER_VM_LIFE_LIMITS_H_
#define KNALLER_VM_LIFE_LIMITS_H_

#include <string>
#include <vector>

#include "base/control_group.h"
#include "base/group_place.h"
#include "monitor/vm_group.h"
#include "store/vm_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

// For a control group: every VM's limits, and those that were asked for. Pure.
GroupLimits group_limits(const store::Machine& machine);
// What was asked for and can't be had at that place: "--cpus", "--pids". Pure.
std::vector<std::string> left_out(const store::Machine& machine, const GroupPlace& place);

// On the disk of an open file; nothing where it can't be limited.
std::optional<DeviceLimit> device_limit(const Limits& limits, int fd);

// kUnsupported, with what to do, when the host can't enforce what was asked for; kInvalidArgument and the
// like for a bad slice. Nothing is started yet.
void require_limits(const store::Machine& machine);
// What the monitor is told. Says what a best effort leaves out. `directory` is the VM's, on whose disk the
// bandwidth is limited, too, where that can be.
monitor::GroupSpec group_spec(const Context& context, const store::VmRecord& record, int directory);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_LIMITS_H_
