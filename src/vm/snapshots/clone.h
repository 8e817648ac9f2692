// A VM's directory made from a snapshot: what a restore and a rollback share.
#ifndef KNALLER_VM_SNAPSHOTS_CLONE_H_
#define KNALLER_VM_SNAPSHOTS_CLONE_H_

#include <functional>

#include "store/names.h"
#include "store/vm_record.h"
#include "vm/home/context.h"
#include "vm/life/bring_up.h"

namespace knaller::vm {

struct CloneRequest {
  const RestoreOptions& asked;
  store::SnapshotId id;
  const store::EntryLock& lock;  // of the VM
  bool in_place = false;         // of the VM of that name, which exists
};

// With its monitor, which was started early, while the rest was prepared.
struct PreparedClone {
  PreparedVm vm;
  monitor::Launch launch;
};

// Until the checks have passed nothing is touched. `adapt` may change the record before anything is made of
// it.
PreparedClone prepare_clone(const Context& context, const CloneRequest& request, const Deadline& deadline,
                            const std::function<void(store::VmRecord&)>& adapt);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_CLONE_H_
