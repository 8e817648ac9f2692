// What differs between two snapshots.
#ifndef KNALLER_VM_SNAPSHOTS_DIFF_H_
#define KNALLER_VM_SNAPSHOTS_DIFF_H_

#include "vm/home/context.h"

namespace knaller::vm {

SnapshotDiff diff_snapshots(const Context& context, const std::string& a, const std::string& b,
                            const DiffOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_DIFF_H_
