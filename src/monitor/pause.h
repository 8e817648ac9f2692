// Pauses and resumes a guest through its engine's API. On the worker's thread.
#ifndef KNALLER_MONITOR_PAUSE_H_
#define KNALLER_MONITOR_PAUSE_H_

#include "firecracker/client.h"

namespace knaller::monitor {

// A guest that is so already is left as it is.
void apply_paused(const firecracker::Client& client, bool pause, const Deadline& deadline);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_PAUSE_H_
