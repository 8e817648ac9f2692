// For walks over a hostile disk: its folders may form loops, its files and folders may share their blocks,
// and a file may have more names than it says, so that a small disk holds any amount of data and any number
// of names and files. All are kCorrupt.
#ifndef KNALLER_DISK_WALK_GUARD_H_
#define KNALLER_DISK_WALK_GUARD_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "disk/disk_tree.h"

namespace knaller::disk {

// What a walk keeps of what it found. kExhausted when that would fill the memory.
class KeptBytes {
 public:
  void add(uint64_t bytes);

 private:
  uint64_t kept_ = 0;
};

// Looks at all of the disks when it is made; for several walks make one, and copy it.
class WalkGuard {
 public:
  explicit WalkGuard(const DiskTree& tree);

  // Call for each directory, with its path.
  void enter(const DiskTree::Node& directory, const std::string& path);
  // Call for each name of a file or link, with its bytes that are not holes. Those of hard links count once.
  void take(uint64_t bytes, const FileInfo& info, const DiskTree::Node& file);

 private:
  using Identity = std::pair<bool, InodeNumber>;

  const DiskTree* tree_;
  std::set<Identity> directories_;
  std::map<Identity, uint32_t> names_;  // how many were met
  uint64_t surplus_names_ = 0;
  KeptBytes kept_;
  uint64_t left_;             // of the disks' data
  uint64_t left_of_folders_;  // the same, for names
};

uint64_t bytes_in(const std::vector<Stretch>& stretches);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_WALK_GUARD_H_
