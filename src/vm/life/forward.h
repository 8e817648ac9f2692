// Listeners on this host whose connections lead to ports of a guest.
#ifndef KNALLER_VM_LIFE_FORWARD_H_
#define KNALLER_VM_LIFE_FORWARD_H_

#include "vm/home/context.h"

namespace knaller::vm {

// Until it is stopped (kCancelled). A connection that fails is a note, and no end.
[[noreturn]] void forward_ports(const Context& context, const ForwardOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_FORWARD_H_
