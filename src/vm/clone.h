// A VM's directory made from a snapshot: what a restore and a rollback share.
#ifndef KNALLER_VM_CLONE_H_
#define KNALLER_VM_CLONE_H_

#include <functional>
#include <memory>

#include "store/names.h"
#include "store/vm_record.h"
#include "vm/bring_up.h"
#include "vm/context.h"

namespace knaller::vm {

struct CloneRequest {
  const RestoreOptions& asked;
  store::SnapshotId id;
  bool in_place = false;  // of the VM of that name, which is there
};

// From the check of its snapshot to its directory. Without a commit it goes with this object.
struct PreparedClone {
  store::VmRecord vm;
  std::unique_ptr<store::StagedEntry> staged;
  BringUp plan;
};

// Until the checks have passed nothing is touched. `adapt` may change the record before anything is made of
// it. Call with the VM's lock.
PreparedClone prepare_clone(const Context& context, const CloneRequest& request, const Deadline& deadline,
                            const std::function<void(store::VmRecord&)>& adapt);

}  // namespace knaller::vm

#endif  // KNALLER_VM_CLONE_H_
