// What may be changed in a snapshot: its name, its labels, its protection.
#ifndef KNALLER_VM_SNAPSHOTS_SNAPSHOT_CHANGE_H_
#define KNALLER_VM_SNAPSHOTS_SNAPSHOT_CHANGE_H_

#include <string>

#include "base/deadline.h"
#include "base/lock.h"
#include "store/names.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Throws unless a snapshot may have this name: kInvalidArgument for what is not a name, or looks like an id;
// kAlreadyExists when one other than `except` has it. An empty one means no name, and is fine.
void check_snapshot_name(const Context& context, const std::string& name, const std::string& except = {});

// Held while a name is looked for and given, so that no two snapshots get the same.
store::EntryLock lock_snapshot_names(const Context& context, const std::string& verb,
                                     const Deadline& deadline);

SnapshotInfo change_snapshot(const Context& context, const std::string& reference,
                             const SnapshotChange& change);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_SNAPSHOT_CHANGE_H_
