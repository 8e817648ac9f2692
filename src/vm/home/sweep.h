// What every command does first: it removes what killed commands and VMs left behind. One thread. It never
// fails: what can't be removed now, or is in use, is left for the next command.
#ifndef KNALLER_VM_HOME_SWEEP_H_
#define KNALLER_VM_HOME_SWEEP_H_

#include "vm/home/context.h"

namespace knaller::vm {

void sweep(const Context& context);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_SWEEP_H_
