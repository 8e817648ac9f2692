#include "vm/snapshots/arrival.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/free_space.h"
#include "base/json.h"
#include "base/once_done.h"
#include "base/text.h"
#include "portable/layout.h"
#include "store/digest.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/usage.h"
#include "vm/home/known_files.h"
#include "vm/home/layout.h"
#include "vm/home/locks.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_change.h"
#include "vm/snapshots/snapshot_files.h"

namespace knaller::vm {
namespace {

using store::Kind;
using store::ManifestFile;

constexpr size_t kLongestName = 255;
constexpr uint64_t kMostFileBytes = uint64_t{1} << 40;

bool is_same_content(const ManifestFile& a, const ManifestFile& b) {
  return a.size == b.size && a.chunks == b.chunks;
}

bool names_same_content(const store::Manifest& a, const store::Manifest& b) {
  return a.files.size() == b.files.size() &&
         std::all_of(a.files.begin(), a.files.end(), [&](const ManifestFile& file) {
           const ManifestFile* other = b.find(file.name);
           return other != nullptr && is_same_content(file, *other);
         });
}

// They are shown, and knaller itself writes no others.
void check_texts(const store::SnapshotRecord& record) {
  for (const std::string* text :
       {&record.vm_name, &record.uuid, &record.vm_uuid, &record.image, &record.kernel, &record.boot_args,
        &record.engine_version, &record.state_version, &record.network_of, &record.parent, &record.capture,
        &record.capture_reason})
    if (printable(*text) != *text)
      fail(Code::kCorrupt, "'{}' has control characters in it: '{}'", layout::kMetadata,
           printable(text->substr(0, 80)));
}

uint64_t least_bytes(const store::Manifest& manifest) {
  uint64_t chunks = 0;
  for (const ManifestFile& file : manifest.files) chunks += file.chunks.size();
  return chunks * kBlockBytes;
}

}  // namespace

bool Arrival::expect(const store::SnapshotId& id, store::Manifest manifest) {
  id_there_ = id;
  manifest_ = std::move(manifest);
  check_manifest();
  if (context_.home.has(Kind::kSnapshot, id.str()) && is_here(id)) return false;
  // Somebody may import the same at this moment.
  take_place(id);
  if (staged_) return true;
  if (is_here(id)) return false;
  take_place(store::SnapshotId::make_random());
  return true;
}

void Arrival::check_manifest() const {
  expected(layout::kMetadata);
  check_sizes();
  for (const ManifestFile& file : manifest_.files)
    if (file.name.size() > kLongestName || printable(file.name) != file.name ||
        file.name == layout::kManifest || file.name == layout::kLabels)
      fail(Code::kCorrupt, "its manifest names '{}', which no snapshot has",
           printable(file.name.substr(0, kLongestName)));
  if (expected(layout::kMetadata).size > portable::kLargestSmallFile)
    fail(Code::kCorrupt, "its metadata has {} bytes", expected(layout::kMetadata).size);
}

// Holes cost an archive nothing, and whatever reads such a file later goes by its size.
void Arrival::check_sizes() const {
  if (options_.force) return;
  const uint64_t file_system = free_space(context_.home.folder(Kind::kSnapshot)).total;
  for (const ManifestFile& file : manifest_.files) {
    // Whether the host has so much memory is seen when it is started.
    const uint64_t most =
        file.name == layout::kMemory ? kMostFileBytes : std::min(kMostFileBytes, file_system);
    if (file.size <= most) continue;
    throw Error(Code::kExhausted,
                fmt::format("'{}' would be {} long, and {}", printable(file.name), format_bytes(file.size),
                            most == kMostFileBytes
                                ? fmt::format("more than {} is unlikely to be intended", format_bytes(most))
                                : fmt::format("the whole file system of '{}' has {}", context_.home.path(),
                                              format_bytes(most))),
                "if you trust its maker, import it all the same: --force");
  }
}

const ManifestFile& Arrival::expected(const std::string& name) const {
  const ManifestFile* file = manifest_.find(name);
  if (file == nullptr) fail(Code::kCorrupt, "its manifest does not name '{}'", printable(name));
  return *file;
}

// One whose manifest is damaged or says something else is another one. What is the same, and damaged, is
// neither kept in silence nor replaced: it may have clones, labels and a name.
bool Arrival::is_here(const store::SnapshotId& id) const {
  const UniqueFd here = context_.home.open_entry(Kind::kSnapshot, id.str());
  if (!says_the_same(here.get())) return false;
  try {
    check_snapshot_files(here.get(), store::read_snapshot_record(here.get(), id), false, deadline_);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    throw Error(
        Code::kCorrupt, fmt::format("it is here already, as {}, and damaged: {}", id.str(), error.what()),
        fmt::format("see what is damaged (knaller snapshot verify {0}), remove it (knaller snapshot rm "
                    "{0}), and import it again",
                    id.str()));
  }
  return true;
}

bool Arrival::says_the_same(int directory) const {
  try {
    return names_same_content(store::read_manifest(directory), manifest_);
  } catch (const Error& error) {
    if (error.code() == Code::kExhausted) throw;  // this process lacks something, not the snapshot
    return false;
  }
}

// Leaves `staged_` empty when there is a snapshot of that id.
void Arrival::take_place(const store::SnapshotId& id) {
  store::EntryLock lock = lock_entry(context_, Kind::kSnapshot, id.str(), "snapshot import", deadline_);
  if (context_.home.has(Kind::kSnapshot, id.str())) return;
  lock_ = std::move(lock);
  id_ = id;
  staged_.emplace(*lock_);
  require_room(least_bytes(manifest_));
}

void Arrival::describe(const std::string& metadata) {
  const ManifestFile& file = expected(layout::kMetadata);
  const ManifestFile found = store::describe_file(layout::kMetadata, metadata, file.kind);
  if (!is_same_content(file, found))
    fail(Code::kCorrupt, "'{}' is not what its manifest says", layout::kMetadata);
  record_ = store::parse_snapshot_record(metadata, *id_there_);
  if (record_.is_foreign())
    fail(Code::kCorrupt, "'{}' has no format, which knaller always writes", layout::kMetadata);
  if (record_.has_memory) check_memory();
  check_texts(record_);
  // Once more at the end, with the lock; now before anything large has come.
  check_snapshot_name(context_, options_.name);
  note_arrival(layout::kMetadata);
  metadata_ = metadata;
}

void Arrival::check_memory() const {
  expected(layout::kState);
  if (expected(layout::kMemory).size != record_.memory_mib << 20)
    fail(Code::kCorrupt, "'{}' is not {} MiB long", layout::kMemory, record_.memory_mib);
}

void Arrival::note_arrival(const std::string& name) {
  if (!arrived_.insert(name).second) fail(Code::kCorrupt, "'{}' comes twice", printable(name));
}

void Arrival::link_left_out(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const ManifestFile& file = expected(name);
    note_arrival(name);
    if (!link_known_file(context_, file, staged_->directory(), deadline_))
      throw Error(Code::kNotFound,
                  fmt::format("'{}' was left out of it, and nothing in this home has the same", name),
                  "export it without --thin, or bring the image that its VM was made of here first");
  }
}

void Arrival::require_room(uint64_t bytes) const {
  store::require_room(free_space(staged_->directory()), bytes, "it");
}

UniqueFd Arrival::make_file(const std::string& name, uint64_t bytes) {
  const ManifestFile& file = expected(name);
  note_arrival(name);
  require_room(bytes);
  UniqueFd fd = open_at(staged_->directory(), name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  if (::ftruncate(fd.get(), static_cast<off_t>(file.size)) != 0)
    fail_errno("make '{}' {} bytes long", name, file.size);
  return fd;
}

// Under another id it has other metadata, and so another manifest; what this knaller does not know of it
// stays.
void Arrival::write_own_metadata() {
  if (*id_ != *id_there_) {
    Json json = parse_json(metadata_, layout::kMetadata);
    json["id"] = id_->str();
    metadata_ = dump_json(json, 2) + "\n";
    for (ManifestFile& file : manifest_.files)
      if (file.name == layout::kMetadata)
        file = store::describe_file(layout::kMetadata, metadata_, file.kind);
    record_.id = id_->str();
  }
  write_file_atomically(staged_->directory(), layout::kMetadata, metadata_);
  write_file_atomically(staged_->directory(), layout::kManifest, store::to_text(manifest_));
}

void Arrival::settle() {
  for (const ManifestFile& file : manifest_.files) {
    if (file.name == layout::kMetadata) continue;
    const UniqueFd fd = open_at(staged_->directory(), file.name, O_RDONLY | O_NOFOLLOW);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) fail_errno("look at '{}'", file.name);
    if (info.st_nlink > 1) continue;  // another entry's, too, and on the disk since then
    if (::fchmod(fd.get(), 0400) != 0) fail_errno("make '{}' read-only", file.name);
    fsync_fd(fd.get(), file.name);
  }
}

// What `--from-snapshot clean` means here is not for an archive to say: its own name is taken only when that
// was asked for.
std::string Arrival::choose_name(const std::string& name_there) {
  if (!options_.name.empty()) {
    check_snapshot_name(context_, options_.name);
    return options_.name;
  }
  if (!options_.keep_name || name_there.empty()) return {};
  try {
    check_snapshot_name(context_, name_there);
    return name_there;
  } catch (const Error& error) {
    if (error.code() != Code::kAlreadyExists) throw;
    context_.note(fmt::format("{}: this one gets no name", error.message()));
    return {};
  }
}

void Arrival::tell_of_names(const std::string& name, const std::string& name_there) const {
  if (*id_ != *id_there_)
    context_.note(
        fmt::format("there is another snapshot {} here: this one is {}", id_there_->str(), id_->str()));
  if (!name.empty() || name_there.empty() || options_.keep_name) return;
  context_.note(
      fmt::format("it is named '{0}' where it comes from; to name it so here: knaller snapshot "
                  "rename {1} {0}",
                  name_there, id_->str()));
}

ImportResult Arrival::publish(const store::SnapshotLabels& there) {
  for (const ManifestFile& file : manifest_.files)
    if (!arrived_.contains(file.name)) fail(Code::kCorrupt, "'{}' is missing", file.name);
  write_own_metadata();
  settle();
  check_snapshot_files(staged_->directory(), record_, false, deadline_);

  store::SnapshotLabels labels{.labels = there.labels, .imported = std::chrono::system_clock::now()};
  std::optional<store::EntryLock> names;
  if (!options_.name.empty() || options_.keep_name) {
    names = lock_snapshot_names(context_, "snapshot import", deadline_);
    labels.name = choose_name(there.name);
  }
  store::write_labels(staged_->directory(), labels);
  deadline_.check("the end of the import");
  staged_->publish();
  names.reset();
  return once_done([&] { return fmt::format("it is here all the same, as {}", id_->str()); },
                   [&]() -> ImportResult {
                     tell_of_names(labels.name, there.name);
                     return {.snapshot = describe_snapshot(context_, *id_),
                             .was = *id_ == *id_there_ ? "" : id_there_->str(),
                             .dropped_name = labels.name == there.name ? "" : there.name};
                   });
}

}  // namespace knaller::vm
