// The digests of a VM's immutable files, so that its snapshots do not read them again and again.
//
// `digests` in the VM's directory is a hard link to the manifest of the snapshot that the VM came from, or,
// if it was booted, of its first one. A part that rots later keeps the digest that it had: `snapshot verify`
// finds the damage, which a digest made anew would hide.
#ifndef KNALLER_VM_SNAPSHOTS_PART_DIGESTS_H_
#define KNALLER_VM_SNAPSHOTS_PART_DIGESTS_H_

#include <optional>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"
#include "store/manifest.h"
#include "store/vm_record.h"

namespace knaller::vm {

// The digests of the files that a snapshot of the VM has in common with the VM, and of the memory that the VM
// came from, of which the snapshot has all but `memory_changed`. Empty when nothing is known, or the file is
// damaged: a power cut may leave it empty, since nothing needs it to be durable.
std::vector<store::KnownFile> part_digests(int directory, const store::VmRecord& vm,
                                           const std::optional<std::vector<Extent>>& memory_changed);

// Links the manifest of the snapshot in `snapshot_dir` into the VM's directory, in place of what is there.
void keep_part_digests(int directory, int snapshot_dir, const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_PART_DIGESTS_H_
