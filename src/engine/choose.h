// Which engine a VM gets: the one that was asked for, else the first family that fits this host.
#ifndef KNALLER_ENGINE_CHOOSE_H_
#define KNALLER_ENGINE_CHOOSE_H_

#include <string>

#include "engine/engine_family.h"
#include "engine/host.h"
#include "knaller/types.h"
#include "store/engine_type.h"

namespace knaller::engine {

struct Choice {
  std::string binary;
  std::string reason;  // why this one
};
// Only the program itself says which family it really belongs to (ask_engine()). kNotFound when it is
// missing.
Choice choose(const EngineChoice& asked, const Host& host);

// What asks for this family.
EngineKind kind_of(store::EngineType type);

// For a snapshot's state, which only its own family loads: that one where nobody has asked for another and it
// fits this host.
EngineChoice asked_for_state(EngineChoice asked, store::EngineType type, const Host& host);

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_CHOOSE_H_
