#include "disk/walk_guard.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace knaller::disk {
namespace {

constexpr size_t kMostPathBytes = 4096;  // PATH_MAX
// Some 20 million names.
constexpr uint64_t kMostFolderBytes = uint64_t{512} << 20;
// Some two million files that differ.
constexpr uint64_t kMostKeptBytes = uint64_t{512} << 20;
// Of a set or map, with what an allocator adds.
constexpr uint64_t kNodeBytes = 64;
// Names that inodes do not count, on all of the disk. Where a guest has no journal, and writes while its disk
// is copied, there may be a few.
constexpr uint64_t kMostSurplusNames = 100;

std::pair<bool, InodeNumber> identity_of(const DiskTree::Node& node) {
  return {node.place == DiskTree::Place::kBase, node.inode};
}

}  // namespace

WalkGuard::WalkGuard(const DiskTree& tree)
    : tree_(&tree), left_(tree.data_bytes()), left_of_folders_(std::min(left_, kMostFolderBytes)) {}

void WalkGuard::enter(const DiskTree::Node& directory, const std::string& path) {
  if (path.size() > kMostPathBytes)
    fail(Code::kCorrupt, "the snapshot's disk has a path of {} bytes", path.size());
  if (!directories_.insert(identity_of(directory)).second)
    fail(Code::kCorrupt,
         "the file system on the snapshot's disk is damaged: the folder '{}' is in two places",
         printable(path));
  kept_.add(kNodeBytes);
  const uint64_t bytes = tree_->folder_bytes(directory);
  if (bytes > left_of_folders_)
    fail(Code::kCorrupt,
         "the file system on the snapshot's disk is damaged, or too large to be read here: its folders have "
         "more names than there is room for");
  left_of_folders_ -= bytes;
}

void WalkGuard::take(uint64_t bytes, const FileInfo& info, const DiskTree::Node& file) {
  uint32_t& names = names_[identity_of(file)];
  if (++names == 1) kept_.add(kNodeBytes);
  if (names > std::max<uint64_t>(info.links, 1) && ++surplus_names_ > kMostSurplusNames)
    fail(Code::kCorrupt,
         "the file system on the snapshot's disk is damaged: files have more names than they count");
  if (info.links > 1 && names > 1) return;
  if (bytes > left_)
    fail(Code::kCorrupt, "the file system on the snapshot's disk is damaged: files share their blocks");
  left_ -= bytes;
}

void KeptBytes::add(uint64_t bytes) {
  kept_ += bytes;
  if (kept_ > kMostKeptBytes)
    fail(Code::kExhausted, "there is more on the snapshot's disk than can be kept in memory");
}

uint64_t bytes_in(const std::vector<Stretch>& stretches) {
  uint64_t sum = 0;
  for (const Stretch& stretch : stretches) sum += stretch.bytes;
  return sum;
}

}  // namespace knaller::disk
