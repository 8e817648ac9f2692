#include "vm/snapshots/part_digests.h"

#include "base/error.h"
#include "base/file.h"
#include "store/layout.h"
#include "vm/home/layout.h"

namespace knaller::vm {

std::vector<store::KnownFile> part_digests(int directory, const store::VmRecord& vm,
                                           const std::optional<std::vector<Extent>>& memory_changed) {
  std::vector<store::KnownFile> known;
  try {
    if (!stat_if_exists(directory, layout::kPartDigests)) return known;
    const store::Manifest manifest = store::read_manifest(directory, layout::kPartDigests);
    for (const Part& part : shared_parts_of(vm))
      if (const store::ManifestFile* file = manifest.find(part.name)) known.push_back({*file});
    if (const store::ManifestFile* memory = manifest.find(layout::kMemory);
        memory != nullptr && memory_changed)
      known.push_back({*memory, *memory_changed});
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kUnsupported) throw;
  }
  return known;
}

void keep_part_digests(int directory, int snapshot_dir, const Deadline& deadline) {
  remove_tree(directory, layout::kPartDigests);
  link_or_copy(snapshot_dir, layout::kManifest, directory, layout::kPartDigests, deadline);
}

}  // namespace knaller::vm
