// `snapshot verify`: reads all of a snapshot and compares it with its manifest.
#ifndef KNALLER_VM_SNAPSHOTS_VERIFY_H_
#define KNALLER_VM_SNAPSHOTS_VERIFY_H_

#include <string>

#include "vm/home/context.h"

namespace knaller::vm {

VerifyResult verify_snapshot(const Context& context, const std::string& reference,
                             const VerifyOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_VERIFY_H_
