// What a restore needs, checked before anything is touched: one row per check.
//
// The files of the snapshot are hostile until they are checked; the checks open them for reading only and
// cost less than a millisecond, unless everything is to be read (RestoreOptions::verify).
#ifndef KNALLER_VM_SNAPSHOTS_PREFLIGHT_H_
#define KNALLER_VM_SNAPSHOTS_PREFLIGHT_H_

#include <optional>
#include <vector>

#include "store/snapshot_record.h"
#include "vm/home/context.h"
#include "vm/home/engine.h"

namespace knaller::vm {

struct Preflight {
  std::vector<CheckRow> rows;
  // Absent when the row that is about them failed.
  std::optional<store::SnapshotRecord> record;
  std::optional<Engine> engine;
  bool imported = false;
};

// Never throws for what it finds. `directory` is the snapshot's.
Preflight run_preflight(const Context& context, RestoreOptions asked, const store::SnapshotId& id,
                        int directory, const Deadline& deadline);

// Throws the first failed row as an error; afterwards record and engine are there.
void require_passed(const Preflight& preflight, const store::SnapshotId& id);

std::vector<CheckRow> check_restore(const Context& context, const RestoreOptions& asked,
                                    std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_PREFLIGHT_H_
