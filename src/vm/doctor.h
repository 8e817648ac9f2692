// What this machine can do for knaller, and the command that mends what it can't.
#ifndef KNALLER_VM_DOCTOR_H_
#define KNALLER_VM_DOCTOR_H_

#include <vector>

#include "vm/context.h"

namespace knaller::vm {

// Never throws for what it finds: a check that fails is a row. Starts and changes nothing.
std::vector<CheckRow> run_doctor(const Context& context);

}  // namespace knaller::vm

#endif  // KNALLER_VM_DOCTOR_H_
