// For walks over a hostile disk: its folders may lead round and round, and its files may share their blocks,
// so that a small disk holds any amount of data. Both are kCorrupt.
#ifndef KNALLER_DISK_WALK_GUARD_H_
#define KNALLER_DISK_WALK_GUARD_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "disk/disk_tree.h"

namespace knaller::disk {

class WalkGuard {
 public:
  explicit WalkGuard(const DiskTree& tree) : left_(tree.most_bytes()) {}

  // Call for each directory, with its path.
  void enter(const DiskTree::Node& directory, const std::string& path);
  // Call for each file, with its bytes that are no holes. Hard links count once.
  void take(uint64_t bytes, const FileInfo& info, const DiskTree::Node& file);

 private:
  using Identity = std::pair<bool, InodeNumber>;

  std::set<Identity> directories_;
  std::set<Identity> linked_;
  uint64_t left_;
};

uint64_t bytes_in(const std::vector<Stretch>& stretches);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_WALK_GUARD_H_
