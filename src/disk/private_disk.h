// The private disk of a VM that boots a shared base: an empty ext4 that the guest's initramfs lays over the
// base.
#ifndef KNALLER_DISK_PRIVATE_DISK_H_
#define KNALLER_DISK_PRIVATE_DISK_H_

#include <cstdint>
#include <string>

#include "base/deadline.h"

namespace knaller::disk {

// Makes the file, mode 0600, sparse: some 20 ms, and some 200 KiB for 8 GiB. kInvalidArgument below 32 MiB
// or over 16 TiB, kNotFound without mke2fs. On failure nothing is left.
void make_private_disk(const std::string& path, uint64_t mib, const Deadline& deadline = Deadline::never());

}  // namespace knaller::disk

#endif  // KNALLER_DISK_PRIVATE_DISK_H_
