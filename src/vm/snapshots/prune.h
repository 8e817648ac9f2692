// `snapshot prune`: removes the snapshots that nobody wants any more, by rules.
#ifndef KNALLER_VM_SNAPSHOTS_PRUNE_H_
#define KNALLER_VM_SNAPSHOTS_PRUNE_H_

#include <vector>

#include "vm/home/context.h"

namespace knaller::vm {

// Those of `snapshots` that the rules remove, oldest first. Never one that is protected, broken or the Go
// program's. Pure.
std::vector<SnapshotInfo> choose_prunable(std::vector<SnapshotInfo> snapshots, const PruneOptions& options,
                                          SystemTime now);

PruneResult prune_snapshots(const Context& context, const PruneOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_PRUNE_H_
