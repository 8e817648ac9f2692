// Files out of a snapshot's disk, without starting or mounting anything.
#ifndef KNALLER_VM_SNAPSHOTS_EXTRACT_H_
#define KNALLER_VM_SNAPSHOTS_EXTRACT_H_

#include "vm/home/context.h"

namespace knaller::vm {

ExtractResult extract_snapshot(const Context& context, const ExtractOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_EXTRACT_H_
