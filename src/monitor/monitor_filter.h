// The system calls that a monitor and everything that it starts (pasta, and the engine in front of its own
// filter) have no use for: refused from the launch on, for good. The VM's logs don't show it, since an
// engine's filter needs the one listener that the kernel allows; the kernel's log has a line for each.
#ifndef KNALLER_MONITOR_MONITOR_FILTER_H_
#define KNALLER_MONITOR_MONITOR_FILTER_H_

namespace knaller::monitor {

// For a process of one thread. Sets NO_NEW_PRIVS: nothing below it gains privileges by executing a program.
void filter_monitor_calls();

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_MONITOR_FILTER_H_
