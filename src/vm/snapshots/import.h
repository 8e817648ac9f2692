// A snapshot out of one stream, or out of a directory of somebody's, the Go program's too. What comes is
// hostile until its digests match.
#ifndef KNALLER_VM_SNAPSHOTS_IMPORT_H_
#define KNALLER_VM_SNAPSHOTS_IMPORT_H_

#include "vm/home/context.h"

namespace knaller::vm {

ImportResult import_snapshot(const Context& context, const ImportOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_IMPORT_H_
