// For tests: a home in a fresh folder, filled with records instead of VMs and snapshots that ran.
#ifndef KNALLER_VM_HOME_TEST_HOME_H_
#define KNALLER_VM_HOME_TEST_HOME_H_

#include <string>
#include <vector>

#include "base/test_folder.h"
#include "store/labels.h"
#include "store/manifest.h"
#include "store/snapshot_record.h"
#include "store/transaction.h"
#include "store/vm_record.h"
#include "vm/home/context.h"
#include "vm/home/layout.h"

namespace knaller::vm {

class TestHome {
 public:
  TestHome()
      : context{.home = store::Home::open(folder_.path("home")),
                .libexec = "/nowhere",
                .pasta = {},
                .sink = [this](const Event& event) {
                  if (event.kind == EventKind::kNote) notes.push_back(event.text);
                }} {}

  // It does not run.
  void add_vm(store::VmRecord record, const std::string& name) const {
    record.name = name;
    if (record.uuid.empty()) record.uuid = "uuid-of-" + name;
    const store::EntryLock lock = context.home.lock(store::Kind::kVm, name, "test", kSoon);
    store::Transaction staged(lock);
    make_vm_directories(staged.directory());
    store::write_vm_record(staged.directory(), record, Durability::kNoSync);
    staged.publish(Durability::kNoSync);
  }

  // With the files that its record needs, all of them empty.
  store::SnapshotId add_snapshot(store::SnapshotRecord record,
                                 const store::SnapshotLabels& labels = {}) const {
    const store::SnapshotId id = store::SnapshotId::make_random();
    record.id = id.str();
    const store::EntryLock lock = context.home.lock(store::Kind::kSnapshot, id.str(), "test", kSoon);
    store::Transaction staged(lock);
    write_file_atomically(staged.directory(), layout::kMetadata, store::to_json_text(record),
                          Durability::kNoSync);
    for (const std::string& name : store::files_needed(record, store::Needed::kAll))
      if (name != layout::kMetadata) write_file_atomically(staged.directory(), name, "", Durability::kNoSync);
    store::write_labels(staged.directory(), labels, Durability::kNoSync);
    staged.publish(Durability::kNoSync);
    return id;
  }

  std::string path_of_vm(const std::string& name) const {
    return context.home.path_of(store::Kind::kVm, name);
  }

 private:
  TestFolder folder_;

 public:
  std::vector<std::string> notes;  // that the user was told
  Context context;
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_TEST_HOME_H_
