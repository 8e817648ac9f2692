// Starting VMs: new ones and stopped ones.
#ifndef KNALLER_VM_LIFE_START_H_
#define KNALLER_VM_LIFE_START_H_

#include <string>

#include "vm/home/context.h"

namespace knaller::vm {

Started start_new(const Context& context, const VmOptions& vm, const StartOptions& options);
Started start_existing(const Context& context, const std::string& name, const StartOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_START_H_
