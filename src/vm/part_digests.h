// The digests of a VM's immutable files, so that its snapshots do not read them again and again.
//
// `digests` in the VM's directory is a hard link to the manifest of the snapshot that the VM came from, or
// else of its first one. A part that rots later keeps the digest that it had: `snapshot verify` finds the
// damage, where a digest made anew would bless it.
#ifndef KNALLER_VM_PART_DIGESTS_H_
#define KNALLER_VM_PART_DIGESTS_H_

#include "base/deadline.h"
#include "store/manifest.h"
#include "store/vm_record.h"

namespace knaller::vm {

inline constexpr char kPartDigests[] = "digests";

// Of the files that a snapshot of the VM has in common with the VM. Empty when nothing is known, or the file
// is damaged: a power cut may leave it empty, since nobody needs it to be durable.
store::Manifest part_digests(int directory, const store::VmRecord& vm);

// Links the manifest of the snapshot in `snapshot_dir` into the VM's directory, in place of what is there.
void keep_part_digests(int directory, int snapshot_dir, const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_PART_DIGESTS_H_
