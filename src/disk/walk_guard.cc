#include "disk/walk_guard.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::disk {
namespace {

constexpr size_t kMostPathBytes = 4096;  // PATH_MAX

std::pair<bool, InodeNumber> identity_of(const DiskTree::Node& node) {
  return {node.place == DiskTree::Place::kBase, node.inode};
}

}  // namespace

void WalkGuard::enter(const DiskTree::Node& directory, const std::string& path) {
  if (path.size() > kMostPathBytes)
    fail(Code::kCorrupt, "the snapshot's disk has a path of {} bytes", path.size());
  if (!directories_.insert(identity_of(directory)).second)
    fail(Code::kCorrupt,
         "the file system on the snapshot's disk is damaged: the folder '{}' is in two places",
         printable(path));
}

void WalkGuard::take(uint64_t bytes, const FileInfo& info, const DiskTree::Node& file) {
  if (info.links > 1 && !linked_.insert(identity_of(file)).second) return;
  if (bytes > left_)
    fail(Code::kCorrupt, "the file system on the snapshot's disk is damaged: files share their blocks");
  left_ -= bytes;
}

uint64_t bytes_in(const std::vector<Stretch>& stretches) {
  uint64_t sum = 0;
  for (const Stretch& stretch : stretches) sum += stretch.bytes;
  return sum;
}

}  // namespace knaller::disk
