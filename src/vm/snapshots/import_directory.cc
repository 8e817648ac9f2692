#include "vm/snapshots/import_directory.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "portable/layout.h"
#include "store/digest.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "vm/home/layout.h"
#include "vm/snapshots/arrival.h"
#include "vm/snapshots/foreign_state.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using store::ManifestFile;

store::SnapshotId id_in(const std::string& metadata) {
  const Json json = parse_json(metadata, layout::kMetadata);
  const std::string id = JsonReader(json, layout::kMetadata).string("id");
  if (!store::SnapshotId::is_valid(id))
    fail(Code::kCorrupt, "{}: '{}' is not a snapshot id", layout::kMetadata, printable(id.substr(0, 80)));
  return store::SnapshotId::parse(id);
}

// What the Go program noted, and what is true of all of its VMs. A state of Firecracker's, on an unknown
// host.
store::SnapshotRecord record_of_go(const std::string& metadata, const store::SnapshotId& id) {
  store::SnapshotRecord record = store::parse_snapshot_record(metadata, id);
  record.format = 1;
  record.uuid = make_uuid();
  record.engine = store::EngineType::kFirecracker;
  record.capture = "engine";
  record.vcpus = std::max(record.vcpus, 1u);
  return record;
}

void check_go_files(int directory, const store::SnapshotRecord& record) {
  if (file_size(open_untrusted(directory, layout::kMemory).get()) != record.memory_mib << 20)
    fail(Code::kCorrupt, "'{}' is not {} MiB long", layout::kMemory, record.memory_mib);
  if (disk_path_of_go(store::read_entry_file(directory, layout::kState, 16 << 20)).empty())
    throw Error(Code::kUnsupported, "its state does not name a snapshot's disk",
                "only snapshots that the Go program made whole can be imported");
}

class DirectoryImport {
 public:
  DirectoryImport(const Context& context, int directory, const ImportOptions& options,
                  const Deadline& deadline)
      : context_(context), directory_(directory), deadline_(deadline), arrival_(context, options, deadline) {}

  ImportResult run() {
    const PhaseTimer timer(context_, "import");
    if (!stat_if_exists(directory_, layout::kMetadata))
      throw Error(Code::kCorrupt, "it is not a snapshot: there is no 'metadata.json'",
                  "name a snapshot's own directory, or a file that `knaller snapshot export` wrote");
    metadata_ = store::read_entry_file(directory_, layout::kMetadata);
    const store::SnapshotId id = id_in(metadata_);
    context_.step(fmt::format("importing {}", id.str()));
    const bool is_ours = stat_if_exists(directory_, layout::kManifest).has_value();
    if (is_ours)
      read_own();
    else
      read_go(id);
    if (!is_ours && is_go_one_here(id))
      return {.snapshot = describe_snapshot(context_, id), .was_there = true};
    if (!arrival_.expect(id, manifest_))
      return {.snapshot = describe_snapshot(context_, id), .was_there = true};
    arrival_.describe(metadata_);
    arrival_.link_left_out(left_out_);
    copy_files();
    return arrival_.publish(labels_);
  }

 private:
  void read_own() {
    manifest_ = store::read_manifest(directory_);
    labels_ = store::read_labels(directory_);
    check_labels_from_outside(labels_);
    // One that was unpacked from a thin archive.
    if (stat_if_exists(directory_, portable::kLeftOut))
      left_out_ = portable::parse_left_out(store::read_entry_file(directory_, portable::kLeftOut), manifest_);
  }

  void read_go(const store::SnapshotId& id) {
    const store::SnapshotRecord record = record_of_go(metadata_, id);
    check_go_files(directory_, record);
    metadata_ = store::to_json_text(record);
    manifest_ = store::make_manifest(directory_, {layout::kState, layout::kMemory, layout::kRootfs},
                                     deadline_, {.progress = progress()});
    manifest_.files.insert(manifest_.files.begin(),
                           store::describe_file(layout::kMetadata, metadata_, manifest_.kind()));
  }

  // Imported before: all but the metadata, which got a uuid of its own, is the same.
  bool is_go_one_here(const store::SnapshotId& id) const {
    try {
      const UniqueFd there = context_.home.open_entry(store::Kind::kSnapshot, id.str());
      const store::Manifest other = store::read_manifest(there.get());
      return std::all_of(manifest_.files.begin(), manifest_.files.end(), [&](const ManifestFile& file) {
        const ManifestFile* same = other.find(file.name);
        return same != nullptr &&
               (file.name == layout::kMetadata || (same->size == file.size && same->chunks == file.chunks));
      });
    } catch (const Error&) {
      return false;
    }
  }

  void copy_files() {
    store::Manifest copied;
    for (const ManifestFile& file : manifest_.files) {
      if (file.name == layout::kMetadata || std::ranges::find(left_out_, file.name) != left_out_.end())
        continue;
      const UniqueFd from = open_untrusted(directory_, file.name);
      if (file_size(from.get()) != file.size)
        fail(Code::kCorrupt, "'{}' has {} bytes, and its manifest says {}", file.name, file_size(from.get()),
             file.size);
      const UniqueFd to = arrival_.make_file(file.name, 0);
      copy_sparse(from.get(), to.get(), file.size, deadline_);
      copied.files.push_back(file);
    }
    const auto damages = store::verify_files(arrival_.directory(), copied, deadline_, progress());
    if (!damages.empty()) fail(Code::kCorrupt, "{}", damages.front().reason);
  }

  ByteProgress progress() const {
    return [this](uint64_t done, uint64_t total) {
      context_.tell({.kind = EventKind::kProgress, .done = done, .total = total});
    };
  }

  const Context& context_;
  int directory_;
  const Deadline& deadline_;
  Arrival arrival_;
  std::string metadata_;
  store::Manifest manifest_;
  store::SnapshotLabels labels_;
  std::vector<std::string> left_out_;
};

}  // namespace

ImportResult import_directory(const Context& context, int directory, const ImportOptions& options,
                              const Deadline& deadline) {
  return DirectoryImport(context, directory, options, deadline).run();
}

void check_labels_from_outside(store::SnapshotLabels& labels) {
  try {
    store::check_labels(labels.labels);
    if (!labels.name.empty()) store::Name::parse(labels.name, "snapshot name");
  } catch (const Error& error) {
    throw Error(Code::kCorrupt, fmt::format("its labels can't be: {}", error.message()));
  }
  if (store::SnapshotId::is_valid(labels.name))
    fail(Code::kCorrupt, "its labels can't be: a name '{}' looks like an id", labels.name);
  // Another home's word.
  labels.is_protected = false;
  labels.imported.reset();
}

}  // namespace knaller::vm
