// What happened to the VMs of a home, from the records of their monitors, and from the folder in which they
// come and go.
#ifndef KNALLER_VM_LIFE_EVENTS_H_
#define KNALLER_VM_LIFE_EVENTS_H_

#include <functional>

#include "vm/home/context.h"

namespace knaller::vm {

void tell_events(const Context& context, const EventsOptions& options,
                 const std::function<void(const VmEvent&)>& take);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_EVENTS_H_
