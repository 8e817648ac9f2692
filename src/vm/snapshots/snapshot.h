// Snapshots: memory, devices and disk of one instant.
#ifndef KNALLER_VM_SNAPSHOTS_SNAPSHOT_H_
#define KNALLER_VM_SNAPSHOTS_SNAPSHOT_H_

#include <string>
#include <vector>

#include "store/labels.h"
#include "store/names.h"
#include "store/snapshot_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

SnapshotInfo create_snapshot(const Context& context, const SnapshotOptions& options);
// Call with the lock of the VM, whose directory this is. `on_collected`: nothing of the VM's is needed from
// then on, so nobody has to wait for its lock while digests are made and files synced.
store::SnapshotId take_snapshot(const Context& context, const SnapshotOptions& options, int directory,
                                std::function<void()> on_collected = {});

std::vector<SnapshotInfo> list_snapshots(const Context& context);
SnapshotInfo inspect_snapshot(const Context& context, const std::string& reference);
std::string inspect_snapshot_json(const Context& context, const std::string& reference);
void remove_snapshot(const Context& context, const std::string& reference, const RemoveOptions& options);

// An id, a unique beginning of one with at least four digits, or a user's name for it. kNotFound with the
// nearest, kInvalidArgument when ambiguous.
store::SnapshotId find_snapshot(const Context& context, const std::string& reference);
SnapshotInfo describe_snapshot(const Context& context, const store::SnapshotId& id);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_SNAPSHOT_H_
