// A new VM from a snapshot.
#ifndef KNALLER_VM_SNAPSHOTS_RESTORE_H_
#define KNALLER_VM_SNAPSHOTS_RESTORE_H_

#include "vm/home/context.h"

namespace knaller::vm {

Started restore(const Context& context, const RestoreOptions& restore, const StartOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_RESTORE_H_
