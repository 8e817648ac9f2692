// libext2fs on DiskBytes: an io_manager that only reads.
#ifndef KNALLER_DISK_EXT4_IO_H_
#define KNALLER_DISK_EXT4_IO_H_

#include <ext2fs/ext2fs.h>

#include <string>

#include "disk/disk_bytes.h"

namespace knaller::disk {

// The caller's to ext2fs_free(); `bytes` must live as long. kCorrupt when it is no file system.
ext2_filsys open_file_system(const DiskBytes& bytes);

// The library's own words.
std::string ext2_message(errcode_t code);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_EXT4_IO_H_
