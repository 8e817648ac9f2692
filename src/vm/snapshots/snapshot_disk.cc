#include "vm/snapshots/snapshot_disk.h"

#include "base/error.h"
#include "base/file.h"
#include "store/layout.h"
#include "vm/home/layout.h"

namespace knaller::vm {
disk::DiskTree open_snapshot_disk(int directory, const store::SnapshotRecord& record) {
  if (!record.has_disk)
    fail(Code::kUnsupported, "it was taken without its disk (--no-disk), so knaller has none to read");
  if (!record.has_base) return disk::DiskTree(open_untrusted(directory, layout::kRootfs));
  return {open_untrusted(directory, layout::kBase), open_untrusted(directory, layout::kDisk)};
}

}  // namespace knaller::vm
