// The root file system of a guest that brought its own: each VM has a copy.
#ifndef KNALLER_DISK_ROOT_DISK_H_
#define KNALLER_DISK_ROOT_DISK_H_

#include <cstdint>
#include <string>

#include "base/deadline.h"

namespace knaller::disk {

// Copies the ext4 image `from` to the new file `to`, mode 0600: a reflink where the file system has it, else
// the data only. With `mib` larger than the image, the copy and the file system in it grow to that size
// (resize2fs), after the replay of a journal that was left by a guest that was not shut down; 0 keeps it, and
// a smaller size is kInvalidArgument. On failure nothing is left.
void copy_root_disk(const std::string& from, const std::string& to, uint64_t mib, const Deadline& deadline);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_ROOT_DISK_H_
