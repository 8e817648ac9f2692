// The files on the disk of a snapshot, as its guest saw them.
#ifndef KNALLER_VM_SNAPSHOT_DISK_H_
#define KNALLER_VM_SNAPSHOT_DISK_H_

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "disk/disk_tree.h"
#include "store/snapshot_record.h"

namespace knaller::vm {

// `directory` is the snapshot's; it may be removed once the tree is open. kUnsupported for one that was taken
// without its disk.
disk::DiskTree open_snapshot_disk(int directory, const store::SnapshotRecord& record);

// Hostile disks may lead round and round, and give the same bytes to many files: what is the same for every
// walk over such a tree. Throws kCorrupt.
class WalkGuard {
 public:
  explicit WalkGuard(const disk::DiskTree& tree) : left_(tree.most_bytes()) {}

  // Call for each directory, with its path, and for the bytes of each file that are not holes.
  void enter(const disk::DiskTree::Node& directory, const std::string& path);
  void take(uint64_t bytes);

 private:
  std::set<std::pair<bool, disk::InodeNumber>> seen_;
  uint64_t left_;
};

uint64_t bytes_in(const std::vector<disk::Stretch>& stretches);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOT_DISK_H_
