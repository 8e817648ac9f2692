// A snapshot on its way into this home: from what its manifest says, over its place in the store, to its
// name.
//
//   arrival.expect(id, manifest)      throws unless such a snapshot may be; false: it is here already
//   arrival.describe(metadata)        looks at the metadata before anything large is taken
//   arrival.link_left_out(names)      files of the manifest that do not come, but are here somewhere
//   arrival.make_file(file, bytes)    for the others; the caller fills them and compares the digests
//   arrival.publish(labels)           the point of no return
//
// Until then the destructor removes everything.
#ifndef KNALLER_VM_SNAPSHOTS_ARRIVAL_H_
#define KNALLER_VM_SNAPSHOTS_ARRIVAL_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/labels.h"
#include "store/manifest.h"
#include "store/snapshot_record.h"
#include "store/transaction.h"
#include "vm/home/context.h"

namespace knaller::vm {

class Arrival {
 public:
  Arrival(const Context& context, const ImportOptions& options, const Deadline& deadline)
      : context_(context), options_(options), deadline_(deadline) {}
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  bool expect(const store::SnapshotId& id, store::Manifest manifest);
  void describe(const std::string& metadata);
  void link_left_out(const std::vector<std::string>& names);
  // Makes the file, as a single hole of its size. kCorrupt for one that the manifest does not name, or that
  // came already; kExhausted when there is no room for `bytes`.
  UniqueFd make_file(const std::string& name, uint64_t bytes);
  // `there`: its labels in the place it comes from.
  ImportResult publish(const store::SnapshotLabels& there);

  const store::Manifest& manifest() const { return manifest_; }
  // The one in the manifest; kCorrupt when that has none of this name.
  const store::ManifestFile& expected(const std::string& name) const;
  const store::SnapshotId& id_there() const { return *id_there_; }
  int directory() const { return staged_->directory(); }
  bool is_complete() const { return arrived_.size() == manifest_.files.size(); }

 private:
  void check_manifest() const;
  void check_sizes() const;
  void check_memory() const;
  bool is_here(const store::SnapshotId& id) const;
  bool says_the_same(int directory) const;
  void take_place(const store::SnapshotId& id);
  void note_arrival(const std::string& name);
  void require_room(uint64_t bytes) const;
  void write_own_metadata();
  void settle();
  std::string choose_name(const std::string& name_there);
  void tell_of_names(const std::string& name, const std::string& name_there) const;

  const Context& context_;
  const ImportOptions& options_;
  const Deadline& deadline_;
  std::optional<store::SnapshotId> id_there_;
  std::optional<store::SnapshotId> id_;  // here
  store::Manifest manifest_;
  std::string metadata_;
  store::SnapshotRecord record_;
  std::set<std::string> arrived_;
  std::optional<store::EntryLock> lock_;
  std::optional<store::Transaction> staged_;
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_ARRIVAL_H_
