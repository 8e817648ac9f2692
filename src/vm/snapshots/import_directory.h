// A snapshot's directory that came from elsewhere: knaller's own, copied by hand, or the Go program's.
#ifndef KNALLER_VM_SNAPSHOTS_IMPORT_DIRECTORY_H_
#define KNALLER_VM_SNAPSHOTS_IMPORT_DIRECTORY_H_

#include "store/labels.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Copies all of it (shares it, where the file system can). The Go program's becomes one of knaller's, with
// digests; what it says nothing about is left open.
ImportResult import_directory(const Context& context, int directory, const ImportOptions& options,
                              const Deadline& deadline);

// Labels from an archive or a directory: what no command would have written is kCorrupt.
void check_labels_from_outside(store::SnapshotLabels& labels);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_IMPORT_DIRECTORY_H_
