// A snapshot as one stream. It takes no lock: the files are opened first, so that a removal meanwhile takes
// nothing away.
#ifndef KNALLER_VM_SNAPSHOTS_EXPORT_H_
#define KNALLER_VM_SNAPSHOTS_EXPORT_H_

#include "vm/home/context.h"

namespace knaller::vm {

ExportResult export_snapshot(const Context& context, const ExportOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_EXPORT_H_
