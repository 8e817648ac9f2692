// Whether the files of a snapshot are those that were stored, as far as that costs microseconds: there,
// regular, of their size, our own; state and metadata by their digests. Everything is read only with
// `verify`.
//
// Anybody may have made the files. Damage is kCorrupt (or kNotFound, for a file that is missing), another
// owner kPermission.
#ifndef KNALLER_VM_SNAPSHOTS_SNAPSHOT_FILES_H_
#define KNALLER_VM_SNAPSHOTS_SNAPSHOT_FILES_H_

#include <string>

#include "base/deadline.h"
#include "base/file.h"
#include "store/snapshot_record.h"

namespace knaller::vm {

// Says what was looked at. `progress` is of reading everything.
std::string check_snapshot_files(int directory, const store::SnapshotRecord& record, bool verify,
                                 const Deadline& deadline, const ByteProgress& progress = {},
                                 store::Needed needed = store::Needed::kAll);
// For metadata that can't be read: is it as it was stored?
void check_metadata_digest(int directory, const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_SNAPSHOT_FILES_H_
