// Which engine runs a VM, and what is known about it.
#ifndef KNALLER_VM_HOME_ENGINE_H_
#define KNALLER_VM_HOME_ENGINE_H_

#include <string>

#include "base/deadline.h"
#include "engine/engine_facts.h"
#include "engine/host.h"
#include "knaller/types.h"
#include "vm/home/context.h"

namespace knaller::vm {

engine::Host host_of(const Context& context);

struct Engine : engine::EngineFacts {
  std::string binary;
  std::string reason;  // why this one was chosen
};

// Throws kNotFound when a binary is missing, kUnsupported for one that is not an engine or is too old.
Engine choose_engine(const Context& context, const EngineChoice& choice, const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_ENGINE_H_
