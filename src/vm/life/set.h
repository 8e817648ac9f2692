// Changes of a VM that is there.
#ifndef KNALLER_VM_LIFE_SET_H_
#define KNALLER_VM_LIFE_SET_H_

#include <string>

#include "vm/home/context.h"

namespace knaller::vm {

VmInfo set_vm(const Context& context, const std::string& name, const VmChanges& changes,
              std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_SET_H_
