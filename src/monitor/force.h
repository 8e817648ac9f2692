// The end of a VM whose monitor does not answer: stopped by a signal, held by a debugger, or hung.
//
// Who runs a VM is whoever holds the locks of its `alive` file, so they are found by these locks and by
// nothing else: no recorded pid is believed, and each is killed through a pidfd that was open before the look
// at it. Needs /proc. Any thread.
#ifndef KNALLER_MONITOR_FORCE_H_
#define KNALLER_MONITOR_FORCE_H_

#include <sys/types.h>

#include <vector>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller::monitor {

struct Holder {
  pid_t pid;  // for messages
  UniqueFd pidfd;
};

// The processes that hold a lock of the directory's `alive` file: its monitor, its engine, and what the
// engine gave its lock to. Those that this user may not look at are left out.
std::vector<Holder> alive_holders(int vm_directory);

// Leaves what a monitor leaves at the end of its VM: no socket, and an exit record. Call it before
// end_by_force(): afterwards the directory may belong to another start.
void record_force(int vm_directory);

// Kills them, with SIGKILL, and returns when nobody holds the locks any more. What ended before is no error.
// kTimeout when the deadline passes first (a process that the kernel itself holds), kPermission when they are
// somebody else's.
void end_by_force(int vm_directory, const Deadline& deadline);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_FORCE_H_
