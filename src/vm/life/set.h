// Changes of a VM that is there.
#ifndef KNALLER_VM_LIFE_SET_H_
#define KNALLER_VM_LIFE_SET_H_

#include <string>

#include "vm/home/context.h"

namespace knaller::vm {

VmInfo set_vm(const Context& context, const std::string& name, const VmChanges& changes,
              std::stop_token stop);

// Tells whoever closes a VM, or a clone, what he has left open by not giving a new list.
void note_what_stays_allowed(const Context& context, const std::string& name, const EgressChanges& changes,
                             const Egress& after);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_SET_H_
