// What a clone is given, of what its snapshot has and what was asked for. Pure.
#ifndef KNALLER_VM_SNAPSHOTS_CLONE_SETTINGS_H_
#define KNALLER_VM_SNAPSHOTS_CLONE_SETTINGS_H_

#include <vector>

#include "store/snapshot_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

NetworkMode network_of_clone(const store::SnapshotRecord& record, const RestoreOptions& asked);
// Where a clone may connect to. What an imported snapshot allows opens nobody's networks: of it only what it
// forbids is taken.
Egress egress_of_clone(const store::SnapshotRecord& record, bool imported, const RestoreOptions& asked);
// What a clone may take of the host. Of what an imported snapshot says only what makes it less than others
// have is taken, and a host that can't keep that starts it all the same.
Limits limits_of_clone(const store::SnapshotRecord& record, bool imported, const RestoreOptions& asked);
// The ports that a clone asks for. Of an imported snapshot only the guest's: which host ports and addresses
// are open is not for an archive to say.
std::vector<PortForward> ports_of_clone(const store::SnapshotRecord& record, bool imported,
                                        const RestoreOptions& asked);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_CLONE_SETTINGS_H_
