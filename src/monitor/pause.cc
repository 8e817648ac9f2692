#include "monitor/pause.h"

#include "base/error.h"
#include "firecracker/request.h"

namespace knaller::monitor {

// A refusal may mean that it is so already; only the engine itself knows.
void apply_paused(const firecracker::Client& client, bool pause, const Deadline& deadline) {
  try {
    client.apply(
        firecracker::set_state(pause ? firecracker::VmState::kPaused : firecracker::VmState::kResumed),
        deadline);
  } catch (const Error& error) {
    if (error.code() != Code::kEngineRefused) throw;
    if (client.describe(deadline).state != (pause ? "Paused" : "Running")) throw;
  }
}

}  // namespace knaller::monitor
