// What a clone gets, from what its snapshot has and what was asked for. Pure.
#ifndef KNALLER_VM_SNAPSHOTS_CLONE_SETTINGS_H_
#define KNALLER_VM_SNAPSHOTS_CLONE_SETTINGS_H_

#include <vector>

#include "store/snapshot_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

NetworkMode network_of_clone(const store::SnapshotRecord& record, const RestoreOptions& asked);
// Where a clone may connect to. What an imported snapshot allows must open nobody's networks: only what it
// forbids is taken from it.
Egress egress_of_clone(const store::SnapshotRecord& record, bool imported, const RestoreOptions& asked);
// What a clone may take of the host. From an imported snapshot only limits below what others have are taken,
// and a host that can't enforce those starts it all the same.
Limits limits_of_clone(const store::SnapshotRecord& record, bool imported, const RestoreOptions& asked);
// The ports that a clone asks for. From an imported snapshot only the guest's ports: which host ports and
// addresses are open is not for an archive to say.
std::vector<PortForward> ports_of_clone(const store::SnapshotRecord& record, bool imported,
                                        const RestoreOptions& asked);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_CLONE_SETTINGS_H_
