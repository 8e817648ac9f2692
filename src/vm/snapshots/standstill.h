// The engine of a VM that is to be captured, and its pause.
#ifndef KNALLER_VM_SNAPSHOTS_STANDSTILL_H_
#define KNALLER_VM_SNAPSHOTS_STANDSTILL_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "knaller/types.h"
#include "monitor/client.h"

namespace knaller::vm {

// The pid of the engine, confirmed by the monitor while the process of that pid lives: the guest may be
// rebooting, and its old pid may become somebody else's. kWrongState for one that does not answer.
pid_t running_engine(monitor::MonitorClient& monitor, const std::string& vm, const Deadline& deadline);

struct Standstill {
  SystemTime began{};
  // Absent, and zero, when the VM stood still before and after, or could not be resumed.
  std::optional<SystemTime> ended;
  std::chrono::microseconds lasted{0};
};

// Does the work while the VM is paused. Whatever happens, the guest runs again: by our release, or, should we
// not live to call it, by the monitor when the lease's connection ends. Throws what the work throws, which
// must be Errors; when the VM could not be resumed, the message says that first. `standstill` is also right
// when this throws.
void hold_still(monitor::Lease& lease, const std::string& vm, const Deadline& limit, Standstill& standstill,
                const std::function<void()>& work);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_STANDSTILL_H_
