// libext2fs on DiskBytes: an io_manager that only reads.
#ifndef KNALLER_DISK_EXT4_IO_H_
#define KNALLER_DISK_EXT4_IO_H_

#include <ext2fs/ext2fs.h>

#include <string>

#include "disk/disk_bytes.h"

namespace knaller::disk {

// The caller must ext2fs_free() it, and keep `bytes` until then. kCorrupt when it is not a file system,
// kUnsupported when it has features that can't be read.
ext2_filsys open_file_system(const DiskBytes& bytes);

// The library's own words.
std::string ext2_message(errcode_t code);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_EXT4_IO_H_
