#include "store/verify.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/labels.h"
#include "store/layout.h"
#include "store/snapshot_record.h"

namespace knaller::store {
namespace {

constexpr uint64_t kSmallFile = 1 << 20;

// Runs `look`; what it finds corrupt or missing becomes a damage of `file`.
template <typename Look>
void note_damage(std::vector<Damage>& damages, const std::string& file, Look look) {
  try {
    look();
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    damages.push_back({file, std::nullopt, error.message()});
  }
}

bool is_foreign(int directory, const SnapshotId& id) {
  try {
    return read_snapshot_record(directory, id).is_foreign();
  } catch (const Error&) {
    return false;  // damaged, which is told of
  }
}

void require_named(const Manifest& manifest, const std::string& name) {
  if (manifest.find(name) == nullptr) fail(Code::kCorrupt, "its manifest does not name '{}'", name);
}

// A manifest that is whole but not this snapshot's: it names less than a restore needs.
void check_names(const Manifest& manifest) {
  require_named(manifest, layout::kMetadata);
}

void check_parts(const Manifest& manifest, const SnapshotRecord& record) {
  for (const std::string& name : files_needed(record, Needed::kAll)) require_named(manifest, name);
}

// What no digest vouches for, and yet belongs there.
bool is_outside_manifest(const std::string& name) {
  const layout::File* file = layout::find(layout::Place::kInSnapshot, name);
  return file != nullptr && file->digest == layout::Digest::kNone;
}

void check_extra(int directory, const Manifest& manifest, std::vector<Damage>& damages) {
  for (const std::string& name : list_directory(directory)) {
    if (is_outside_manifest(name) || is_unfinished_labels(name)) continue;
    if (manifest.find(name) == nullptr)
      damages.push_back({name, std::nullopt, fmt::format("'{}' does not belong there", printable(name))});
  }
}

uint64_t stored_bytes(const Manifest& manifest) {
  uint64_t bytes = 0;
  for (const ManifestFile& file : manifest.files)
    for (const ManifestChunk& chunk : file.chunks) bytes += std::min(kChunkBytes, file.size - chunk.offset);
  return bytes;
}

bool is_among(const std::vector<Damage>& damages, std::string_view file) {
  return std::any_of(damages.begin(), damages.end(), [&](const Damage& it) { return it.file == file; });
}

// Large files are then looked at, not read.
void check_quickly(const Manifest& manifest, int directory, const Deadline& deadline,
                   std::vector<Damage>& damages) {
  Manifest small;
  for (const ManifestFile& file : manifest.files) {
    if (file.size <= kSmallFile) {
      small.files.push_back(file);
      continue;
    }
    note_damage(damages, file.name, [&] {
      const uint64_t size = file_size(open_untrusted(directory, file.name).get());
      if (size != file.size)
        fail(Code::kCorrupt, "'{}' has {} bytes, {} were stored", printable(file.name), size, file.size);
    });
  }
  std::vector<Damage> of_small = verify_files(directory, small, deadline);
  std::move(of_small.begin(), of_small.end(), std::back_inserter(damages));
}

struct How {
  const Deadline& deadline;
  const ByteProgress& progress;
  Depth depth;
};

void check_by(const Manifest& manifest, int directory, const SnapshotId& id, const How& how,
              Verification& found) {
  found.checked_bytes = stored_bytes(manifest);
  note_damage(found.damages, layout::kManifest, [&] { check_names(manifest); });
  if (how.depth == Depth::kQuick) {
    check_quickly(manifest, directory, how.deadline, found.damages);
  } else {
    std::vector<Damage> of_files = verify_files(directory, manifest, how.deadline, how.progress);
    std::move(of_files.begin(), of_files.end(), std::back_inserter(found.damages));
  }
  check_extra(directory, manifest, found.damages);
  note_damage(found.damages, layout::kLabels, [&] { verify_labels(directory); });
  // Whole, but under another snapshot's id.
  if (!is_among(found.damages, layout::kMetadata))
    note_damage(found.damages, layout::kMetadata,
                [&] { check_parts(manifest, read_snapshot_record(directory, id)); });
}

}  // namespace

Verification verify_snapshot(int directory, const SnapshotId& id, const Deadline& deadline,
                             const ByteProgress& progress, Depth depth) {
  Verification found;
  // Only the absence of both makes it the Go program's: a flipped bit in "format" does not.
  if (!stat_if_exists(directory, layout::kManifest) && is_foreign(directory, id)) {
    found.has_digests = false;
    return found;
  }
  std::optional<Manifest> manifest;
  note_damage(found.damages, layout::kManifest, [&] { manifest = read_manifest(directory); });
  if (manifest) check_by(*manifest, directory, id, {deadline, progress, depth}, found);
  return found;
}

}  // namespace knaller::store
