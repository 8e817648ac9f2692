// The files on the disk of a snapshot, as its guest saw them.
#ifndef KNALLER_VM_SNAPSHOTS_SNAPSHOT_DISK_H_
#define KNALLER_VM_SNAPSHOTS_SNAPSHOT_DISK_H_

#include "disk/disk_tree.h"
#include "store/snapshot_record.h"

namespace knaller::vm {

// `directory` is the snapshot's; it may be removed once the tree is open. kUnsupported for one that was taken
// without its disk.
disk::DiskTree open_snapshot_disk(int directory, const store::SnapshotRecord& record);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_SNAPSHOT_DISK_H_
