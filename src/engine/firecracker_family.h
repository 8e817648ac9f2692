// Stock Firecracker.
#ifndef KNALLER_ENGINE_FIRECRACKER_FAMILY_H_
#define KNALLER_ENGINE_FIRECRACKER_FAMILY_H_

#include <string>

#include "engine/engine_family.h"

namespace knaller::engine {

const EngineFamily& firecracker_family();

struct StateOrigin {
  std::string version;         // of the state; empty: not noted
  std::string engine_version;  // of its Firecracker; empty: not noted
};
// Firecracker reads a state of the same major number and of no larger minor number than its own. Pure.
CheckRow firecracker_state_row(const StateOrigin& there, const StateOrigin& here);

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_FIRECRACKER_FAMILY_H_
