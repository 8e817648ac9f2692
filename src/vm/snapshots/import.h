// A snapshot from one stream, or from somebody's directory, including the Go program's. What comes is hostile
// until its digests match.
#ifndef KNALLER_VM_SNAPSHOTS_IMPORT_H_
#define KNALLER_VM_SNAPSHOTS_IMPORT_H_

#include "vm/home/context.h"

namespace knaller::vm {

ImportResult import_snapshot(const Context& context, const ImportOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_IMPORT_H_
