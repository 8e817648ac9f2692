// Which blocks of an ext4 file system its journal (jbd2) has newer content for: what the kernel would write
// back when it mounts a disk that was mounted until now. Nothing is written.
//
// The journal is hostile: what is read and kept is bounded by what the disk has allocated, and by what real
// journals have. Checksums are compared where it has them (versions 2 and 3).
#ifndef KNALLER_DISK_JOURNAL_H_
#define KNALLER_DISK_JOURNAL_H_

#include <cstdint>
#include <map>
#include <vector>

#include "disk/disk_bytes.h"
#include "disk/ext4_reader.h"

namespace knaller::disk {

struct JournalPlace {
  std::vector<Stretch> stretches;  // of its file
  uint32_t block_bytes = 4096;
  uint64_t file_system_blocks = 0;
};

// By the block of the file system. Transactions that were not committed whole do not count. kCorrupt for
// damage, kUnsupported for fast commits and whatever else is not known.
std::map<uint64_t, DiskBytes::Replayed> replayed_blocks(const DiskBytes& disk, const JournalPlace& place);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_JOURNAL_H_
