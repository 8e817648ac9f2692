// A VM's limits as its engine enforces them: Firecracker's rate limiters, which knaller-qemu has for drives,
// too. Pure.
#ifndef KNALLER_VM_LIFE_LIMITERS_H_
#define KNALLER_VM_LIFE_LIMITERS_H_

#include <optional>
#include <vector>

#include "firecracker/request.h"
#include "store/machine.h"

namespace knaller::vm {

// Of each drive; nothing when none is limited.
std::optional<firecracker::RateLimiter> drive_limiter(const Limits& limits);
// Of each direction; nothing without a limit.
std::optional<firecracker::RateLimiter> network_limiter(const Limits& limits);
// Requests that give an engine that runs, or has loaded a state, the limiters of this machine, whatever it
// had before.
std::vector<firecracker::Request> limiter_requests(const store::Machine& machine);
// The limits that are the engine's are the same.
bool same_limiters(const Limits& a, const Limits& b);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_LIMITERS_H_
