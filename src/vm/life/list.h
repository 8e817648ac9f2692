// What a VM is and does: read from its directory and asked of its monitor.
#ifndef KNALLER_VM_LIFE_LIST_H_
#define KNALLER_VM_LIFE_LIST_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "store/vm_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

std::vector<VmInfo> list_vms(const Context& context, const ListOptions& options = {});
// kNotFound, with the nearest name as a hint.
VmInfo inspect_vm(const Context& context, const std::string& name);
std::string inspect_vm_json(const Context& context, const std::string& name);

// The pieces, for the other verbs.
// Checks the name, then that there is such a VM of ours: kInvalidArgument, kNotFound, kUnsupported (of the Go
// program).
UniqueFd open_vm(const Context& context, const std::string& name);
VmInfo describe_vm(const Context& context, const std::string& name, int directory);
void fill_from_record(VmInfo& info, const store::VmRecord& record);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_LIST_H_
