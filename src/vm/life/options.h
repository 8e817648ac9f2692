// What users may ask of a new VM.
#ifndef KNALLER_VM_LIFE_OPTIONS_H_
#define KNALLER_VM_LIFE_OPTIONS_H_

#include "knaller/types.h"

namespace knaller::vm {

// kInvalidArgument for what a new VM can't be: numbers out of range, the same host port twice, half a guest.
void check_options(const VmOptions& vm);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_OPTIONS_H_
