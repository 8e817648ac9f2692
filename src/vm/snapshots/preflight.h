// What a restore needs, checked before anything is touched: one row a check.
//
// The files of the snapshot are hostile until they are checked; the checks open them for reading only and
// cost less than a millisecond, unless everything is to be read (RestoreOptions::verify).
#ifndef KNALLER_VM_SNAPSHOTS_PREFLIGHT_H_
#define KNALLER_VM_SNAPSHOTS_PREFLIGHT_H_

#include <optional>
#include <vector>

#include "store/snapshot_record.h"
#include "vm/home/context.h"
#include "vm/home/engine.h"

namespace knaller::vm {

struct Preflight {
  std::vector<CheckRow> rows;
  // Absent when the row that is about them failed.
  std::optional<store::SnapshotRecord> record;
  std::optional<Engine> engine;
  bool imported = false;
};

// Never throws for what it finds. `directory` is the snapshot's.
Preflight run_preflight(const Context& context, RestoreOptions asked, const store::SnapshotId& id,
                        int directory, const Deadline& deadline);

// Throws the first failed row as an error; afterwards record and engine are there.
void require_passed(const Preflight& preflight, const store::SnapshotId& id);

std::vector<CheckRow> check_restore(const Context& context, const RestoreOptions& asked,
                                    std::stop_token stop);

// The network that a clone gets.
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

#endif  // KNALLER_VM_SNAPSHOTS_PREFLIGHT_H_
