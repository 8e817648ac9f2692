// A larger disk for a VM that does not run.
#ifndef KNALLER_DISK_GROW_DISK_H_
#define KNALLER_DISK_GROW_DISK_H_

#include <cstdint>
#include <string>

#include "base/deadline.h"

namespace knaller::disk {

// Gives the ext4 image `path`, which nobody has open, `mib` MiB: what its journal holds is written to it
// first, as a mount would, and what e2fsck repairs without asking is repaired. It all happens in a copy (a
// reflink where the file system has it), which then takes its place durably and in one step: whatever fails,
// or is killed, the disk is as it was, or larger. The copy is made in the folder `aside`, under a name that
// unfinished_writes() finds, so that what a killed process left there can be removed. kInvalidArgument when
// it would not get larger, kCorrupt when its file system is damaged, kNotFound without e2fsprogs, kExhausted
// without room for the copy or memory for the check, kIo when there could be no check.
void grow_disk(const std::string& path, const std::string& aside, uint64_t mib, const Deadline& deadline);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_GROW_DISK_H_
