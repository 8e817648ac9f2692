// Files so small that ext4 keeps them in their inode (the feature inline_data): the first 60 bytes where
// others have their list of blocks, the rest in an attribute of the inode, "system.data".
//
// The inode is hostile. Damage is kCorrupt.
#ifndef KNALLER_DISK_EXT4_INLINE_H_
#define KNALLER_DISK_EXT4_INLINE_H_

#include <ext2fs/ext2fs.h>

#include <vector>

#include "disk/disk_bytes.h"
#include "disk/ext4_reader.h"

namespace knaller::disk {

// Where the bytes of such a file are, in its order: one or two stretches, which together may be longer than
// the file.
std::vector<Stretch> inline_stretches(ext2_filsys fs, const DiskBytes& bytes, InodeNumber number);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_EXT4_INLINE_H_
