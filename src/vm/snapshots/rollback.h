// Putting a VM back to a snapshot of it, in its place (ADR 61).
#ifndef KNALLER_VM_SNAPSHOTS_ROLLBACK_H_
#define KNALLER_VM_SNAPSHOTS_ROLLBACK_H_

#include "vm/home/context.h"

namespace knaller::vm {

RollbackResult roll_back(const Context& context, const RollbackOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_ROLLBACK_H_
