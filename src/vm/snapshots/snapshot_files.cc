#include "vm/snapshots/snapshot_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "vm/home/layout.h"

namespace knaller::vm {
namespace {

using store::Needed;
using store::SnapshotRecord;

struct Seen {
  size_t files = 0;
  uint64_t bytes = 0;
};

// Whoever owns a file may change it, even under a running VM.
void require_own(int fd, std::string_view name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_errno("look at '{}'", name);
  if (info.st_uid == ::geteuid()) return;
  throw Error(Code::kPermission,
              fmt::format("'{}' belongs to user {}, and this is user {}", name, info.st_uid, ::geteuid()),
              "run knaller as the owner of its home");
}

uint64_t require_file(int directory, const std::string& name, Seen& seen) {
  const UniqueFd fd = open_untrusted(directory, name);
  require_own(fd.get(), name);
  const uint64_t size = file_size(fd.get());
  ++seen.files;
  seen.bytes += size;
  return size;
}

void require_file(int directory, const std::string& name, uint64_t size, Seen& seen) {
  const uint64_t found = require_file(directory, name, seen);
  if (found != size) fail(Code::kCorrupt, "'{}' has {} bytes instead of {}", name, found, size);
}

const store::ManifestFile& named(const store::Manifest& manifest, std::string_view name) {
  const store::ManifestFile* file = manifest.find(name);
  if (file == nullptr) fail(Code::kCorrupt, "its manifest does not name '{}'", name);
  return *file;
}

void verify_everything(int directory, const store::Manifest& manifest, const Deadline& deadline,
                       const ByteProgress& progress) {
  const std::vector<store::Damage> damages = store::verify_files(directory, manifest, deadline, progress);
  if (!damages.empty()) fail(Code::kCorrupt, "{}", damages.front().reason);
}

// Damage to what is not needed does no harm.
void leave_out_memory(store::Manifest& manifest) {
  std::erase_if(manifest.files, [](const store::ManifestFile& file) {
    return file.name == layout::kMemory || file.name == layout::kState;
  });
}

std::string check_own_files(int directory, const SnapshotRecord& record, bool verify,
                            const Deadline& deadline, const ByteProgress& progress, Needed needed) {
  store::Manifest manifest = store::read_manifest(directory);
  if (needed == Needed::kColdBoot) leave_out_memory(manifest);
  Seen seen;
  for (const store::ManifestFile& file : manifest.files) require_file(directory, file.name, file.size, seen);
  for (const std::string& name : store::files_needed(record, needed)) named(manifest, name);
  store::verify_file(directory, named(manifest, layout::kMetadata), deadline);
  if (needed == Needed::kAll) {
    if (named(manifest, layout::kMemory).size != record.memory_mib << 20)
      fail(Code::kCorrupt, "'{}' is not {} MiB long", layout::kMemory, record.memory_mib);
    store::verify_file(directory, named(manifest, layout::kState), deadline);
  }
  if (verify) verify_everything(directory, manifest, deadline, progress);
  return fmt::format("{} files, {}: {}", seen.files, format_bytes(seen.bytes),
                     verify ? "everything read and as it was stored"
                     : needed == Needed::kColdBoot
                         ? "sizes, types and owner, and the digest of metadata"
                         : "sizes, types and owner, and the digests of state and metadata");
}

std::string check_foreign_files(int directory, const SnapshotRecord& record) {
  Seen seen;
  require_file(directory, layout::kMemory, record.memory_mib << 20, seen);
  for (const char* name : {layout::kState, layout::kRootfs})
    if (require_file(directory, name, seen) == 0) fail(Code::kCorrupt, "'{}' is empty", name);
  return fmt::format("{} files, {}: sizes, types and owner", seen.files, format_bytes(seen.bytes));
}

}  // namespace

std::string check_snapshot_files(int directory, const SnapshotRecord& record, bool verify,
                                 const Deadline& deadline, const ByteProgress& progress, Needed needed) {
  require_own(directory, "the snapshot's folder");
  if (!record.has_memory) needed = Needed::kColdBoot;
  if (record.is_foreign()) return check_foreign_files(directory, record);
  return check_own_files(directory, record, verify, deadline, progress, needed);
}

void check_metadata_digest(int directory, const Deadline& deadline) {
  store::verify_file(directory, named(store::read_manifest(directory), layout::kMetadata), deadline);
}

}  // namespace knaller::vm
