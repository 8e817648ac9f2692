// Pauses and resumes a guest through its engine's API. On the worker's thread.
#ifndef KNALLER_MONITOR_PAUSE_H_
#define KNALLER_MONITOR_PAUSE_H_

#include "firecracker/client.h"

namespace knaller::monitor {

// Leaves a guest that is in that state already as it is.
void apply_paused(const firecracker::Client& client, bool pause, const Deadline& deadline);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_PAUSE_H_
