// The rows of a preflight about what was asked for: can a clone have that name, these limits, that network?
// They throw what a row can't say better.
#ifndef KNALLER_VM_SNAPSHOTS_PREFLIGHT_ASKED_H_
#define KNALLER_VM_SNAPSHOTS_PREFLIGHT_ASKED_H_

#include <functional>
#include <string>

#include "store/snapshot_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

CheckRow name_row(const Context& context, const std::string& name);
// With the same checks as for a new VM.
CheckRow limits_row(const store::SnapshotRecord& record, bool imported, const RestoreOptions& asked);

using AddRow = std::function<void(std::string name, std::function<CheckRow()> check)>;
// Mode, egress, TAP, pasta and ports, as far as they matter.
void add_network_rows(const Context& context, const store::SnapshotRecord& record, bool imported,
                      const RestoreOptions& asked, const AddRow& add);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_PREFLIGHT_ASKED_H_
