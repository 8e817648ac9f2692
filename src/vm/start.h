// Starting VMs: new ones, stopped ones, and from snapshots.
#ifndef KNALLER_VM_START_H_
#define KNALLER_VM_START_H_

#include <string>

#include "vm/context.h"

namespace knaller::vm {

Started start_new(const Context& context, const VmOptions& vm, const StartOptions& options);
Started start_existing(const Context& context, const std::string& name, const StartOptions& options);
Started restore(const Context& context, const RestoreOptions& restore, const StartOptions& options);

// What a new VM may not be: kInvalidArgument for numbers out of range, the same host port twice, half a
// guest.
void check_options(const VmOptions& vm);

}  // namespace knaller::vm

#endif  // KNALLER_VM_START_H_
