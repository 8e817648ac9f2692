// The manifest of a snapshot: a digest of every 4 MiB chunk of every file, so that any later change is found.
//
//   knaller-manifest 2
//   file <name> <size>
//   <offset> <digest>         one line per chunk that is not all zero
//   end <sha-256 of everything above>
//
// Described in docs/formats/snapshot.md. Holes and stored zeros give the same manifest. Those of format 1,
// whose digests are plain, are read, and written as they were.
#ifndef KNALLER_STORE_MANIFEST_H_
#define KNALLER_STORE_MANIFEST_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"
#include "store/digest.h"
#include "store/layout.h"

namespace knaller::store {

// In bytes: the manifest of some 3.5 TiB.
inline constexpr uint64_t kLargestManifest = 64 << 20;

struct ManifestChunk {
  uint64_t offset = 0;
  std::string digest;  // 64 hexadecimal digits
  bool operator==(const ManifestChunk&) const = default;
};

struct ManifestFile {
  std::string name;
  uint64_t size = 0;
  std::vector<ManifestChunk> chunks;
  DigestKind kind = DigestKind::kTree;  // the same for all files of a manifest
};
// For a file whose whole content is at hand.
ManifestFile describe_file(const std::string& name, std::string_view content, DigestKind kind);

struct Manifest {
  std::vector<ManifestFile> files;
  const ManifestFile* find(std::string_view name) const;
  DigestKind kind() const { return files.empty() ? DigestKind::kTree : files.front().kind; }
};

// What a file was, and where it may be different now.
struct KnownFile {
  ManifestFile file;
  std::vector<Extent> changed = {};  // in ascending order
};

// A chunk that is in memory, and still a hole in its file.
struct HeldChunk {
  uint64_t offset = 0;
  std::string_view bytes;  // all of it
};

struct ManifestOptions {
  // Of a file with such a name and size, only the chunks that may have changed are read, provided that its
  // digests are of the kind that is made today.
  std::vector<KnownFile> known = {};
  // Chunks of the file `held_of`; `write_held` writes them into it, on one of the threads, while others
  // compute digests.
  std::string held_of = {};
  std::vector<HeldChunk> held = {};
  std::function<void()> write_held = {};
  ByteProgress progress = {};  // called on this thread
};

// Reads the named regular files below `directory`, on all cores.
Manifest make_manifest(int directory, const std::vector<std::string>& names, const Deadline& deadline,
                       const ManifestOptions& options = {});
ManifestFile digest_file(int directory, const std::string& name, const Deadline& deadline);

std::string to_text(const Manifest& manifest);
// kCorrupt for anything that is not a whole manifest with the right digest of its own.
Manifest parse_manifest(std::string_view text);
// The one in an entry's directory; throws kNotFound, too.
Manifest read_manifest(int directory, const std::string& name = layout::kManifest);

// The first thing that is wrong with a file.
struct Damage {
  std::string file;
  std::optional<uint64_t> offset;  // of the chunk that differs; absent when something else is wrong
  std::string reason;              // a sentence that names the file
};
// Reads every file that the manifest names, on all cores. At most one damage per file, in the manifest's
// order.
std::vector<Damage> verify_files(int directory, const Manifest& manifest, const Deadline& deadline,
                                 const ByteProgress& progress = {});
// Throws kCorrupt, naming the file and the offset of the first damage.
void verify_file(int directory, const ManifestFile& expected, const Deadline& deadline);

}  // namespace knaller::store

#endif  // KNALLER_STORE_MANIFEST_H_
