// Whether a VM is alive: two OFD locks on the file `alive` in its directory, taken on two separately opened
// descriptions. Byte 0 is the monitor's and never leaves it; byte 1 is inherited by the engine, through a
// read-only descriptor: it can neither write the file nor, by its system call filter, unlock it. Asking takes
// nothing and disturbs nobody.
#ifndef KNALLER_MONITOR_ALIVE_H_
#define KNALLER_MONITOR_ALIVE_H_

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller::monitor {

// Does the monitor or the engine still live? False too when the directory has no `alive` file.
bool is_alive(int vm_directory);

// Waits until neither does; false when the deadline passes first. For what is about to end anyway (a killed
// monitor's engine, a launch that is being undone): polls every few milliseconds.
bool wait_until_dead(int vm_directory, const Deadline& deadline);

// The monitor's own: opens the file anew and locks the byte. kBusy when another process holds it.
UniqueFd lock_monitor_alive(int vm_directory);
// Locks the engine's byte (shared) through another description of the file as well.
void hold_engine_alive(int fd);
UniqueFd lock_engine_alive(int vm_directory, const Deadline& deadline);  // waits for a dying engine to let go

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ALIVE_H_
