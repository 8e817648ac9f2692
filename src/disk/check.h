// Is this file what a VM can boot from? For what users bring themselves: an error here is better than a
// guest's panic. Reads a few blocks; trusts nothing in them.
#ifndef KNALLER_DISK_CHECK_H_
#define KNALLER_DISK_CHECK_H_

#include <string_view>

namespace knaller::disk {

// A whole ext2, ext3 or ext4 file system (no partitions, no qcow2). `what` names it in errors: "the root file
// system '/x'". Anything else is kInvalidArgument, with what it seems to be.
void check_ext4(int fd, std::string_view what);

// An ELF vmlinux for x86-64, which every Firecracker boots. A bzImage is kInvalidArgument with a hint.
void check_kernel(int fd, std::string_view what);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_CHECK_H_
