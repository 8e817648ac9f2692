// A connection to the agent in a VM's guest, by way of the VM's monitor.
#ifndef KNALLER_MONITOR_AGENT_LINK_H_
#define KNALLER_MONITOR_AGENT_LINK_H_

#include "base/deadline.h"
#include "entry/link.h"
#include "store/vm_record.h"

namespace knaller::monitor {

// Tries until the deadline: an agent that is just coming up does not answer yet. kTimeout when it never did,
// kUnsupported for a guest that has none.
entry::Link connect_agent(int vm_directory, const store::VmRecord& record, const Deadline& deadline);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_AGENT_LINK_H_
