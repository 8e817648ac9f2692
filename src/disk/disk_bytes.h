// The bytes of a disk that a guest may have had mounted, as they are once the file system's journal is
// replayed. The file is only read: what the journal holds is laid over it in memory.
//
// Everything in the file is hostile. One object may be read from several threads. Damage is kCorrupt, a
// journal of a kind that is not known here kUnsupported.
#ifndef KNALLER_DISK_DISK_BYTES_H_
#define KNALLER_DISK_DISK_BYTES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/file.h"

namespace knaller::disk {

class DiskBytes {
 public:
  // `what` names the disk in errors: "disk.ext4".
  DiskBytes(UniqueFd file, std::string what);

  uint64_t size() const { return size_; }
  const std::string& what() const { return what_; }
  int fd() const { return file_.get(); }
  // All `size` bytes; beyond the end is kCorrupt.
  void read(char* buffer, size_t size, uint64_t offset) const;

  // How many bytes of the file are not holes: the most that a file system on it can have, apart from zeros.
  // Looks at the whole file.
  uint64_t data_bytes() const;
  // The parts of it that are not holes: reading the rest would give zeros.
  std::vector<Extent> data_in(const Extent& within) const;

  // Lays blocks of the journal, each at `from` in the file, over the blocks with the numbers that are their
  // keys. `escaped`: the first four bytes, which looked like the journal's own, are to be put back.
  struct Replayed {
    uint64_t from = 0;
    bool escaped = false;
  };
  void lay_over(std::map<uint64_t, Replayed> blocks, uint32_t block_bytes);

 private:
  void read_file(char* buffer, size_t size, uint64_t offset) const;
  void read_replayed(char* buffer, size_t size, uint64_t skip, const Replayed& block) const;

  UniqueFd file_;
  std::string what_;
  uint64_t size_ = 0;
  uint32_t block_bytes_ = 4096;
  std::map<uint64_t, Replayed> replayed_;  // by the number of the block
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_DISK_BYTES_H_
