#include "vm/snapshot_disk.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "vm/layout.h"

namespace knaller::vm {
namespace {

constexpr size_t kMostPathBytes = 4096;  // PATH_MAX

}  // namespace

disk::DiskTree open_snapshot_disk(int directory, const store::SnapshotRecord& record) {
  if (!record.has_disk)
    fail(Code::kUnsupported, "it was taken without its disk (--no-disk), so knaller has none to read");
  if (!record.has_base) return disk::DiskTree(open_untrusted(directory, kRootfs));
  return {open_untrusted(directory, kBase), open_untrusted(directory, kDisk)};
}

void WalkGuard::enter(const disk::DiskTree::Node& directory, const std::string& path) {
  if (path.size() > kMostPathBytes)
    fail(Code::kCorrupt, "the snapshot's disk has a path of {} bytes", path.size());
  if (!seen_.emplace(directory.place == disk::DiskTree::Place::kBase, directory.inode).second)
    fail(Code::kCorrupt,
         "the file system on the snapshot's disk is damaged: the folder '{}' is in two places",
         printable(path));
}

void WalkGuard::take(uint64_t bytes) {
  if (bytes > left_)
    fail(Code::kCorrupt, "the file system on the snapshot's disk is damaged: files share their blocks");
  left_ -= bytes;
}

uint64_t bytes_in(const std::vector<disk::Stretch>& stretches) {
  uint64_t sum = 0;
  for (const disk::Stretch& stretch : stretches) sum += stretch.bytes;
  return sum;
}

}  // namespace knaller::vm
