// Waiting for several VMs at once, by events: changes of their folder and of their records, the end of their
// monitors' connections, and the answers of their guests.
#ifndef KNALLER_VM_LIFE_WAIT_H_
#define KNALLER_VM_LIFE_WAIT_H_

#include <vector>

#include "vm/home/context.h"

namespace knaller::vm {

std::vector<Waited> wait_for_vms(const Context& context, const VmWaitOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_WAIT_H_
