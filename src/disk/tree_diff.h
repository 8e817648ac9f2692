// What differs between the files of two guests.
//
// Files that both have unchanged from the same base are not looked at. Everything else is compared by its
// metadata and its content, never by times alone: a guest may set its clock. Times and extended attributes
// don't count as differences.
#ifndef KNALLER_DISK_TREE_DIFF_H_
#define KNALLER_DISK_TREE_DIFF_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "disk/disk_tree.h"

namespace knaller::disk {

struct Difference {
  enum class Kind { kAdded, kChanged, kRemoved };
  Kind kind = Kind::kChanged;
  std::string path;
  FileInfo info;                  // of the second tree, of the first for kRemoved
  std::vector<std::string> what;  // "type", "mode", "owner", "size", "content", "target", "device"; and
                                  // "unreadable" for what can't be compared: encrypted, redirected
};

// In the order of a walk; of a folder that was added or removed, everything in it, too.
std::vector<Difference> diff_trees(const DiskTree& a, const DiskTree& b, const Deadline& deadline);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_TREE_DIFF_H_
