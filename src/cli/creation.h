// What `start` and `run` have in common: from flags and settings to VmOptions, and the image that is booted.
#ifndef KNALLER_CLI_CREATION_H_
#define KNALLER_CLI_CREATION_H_

#include <optional>
#include <string>

#include "cli/context.h"

namespace knaller::cli {

// Flags that configure a new VM were given (not settings of the environment or the configuration file).
bool has_creation_flags(const Invocation& args);

// Of a VM that exists, too. kUnsupported for limits that are not enforced yet.
void refuse_limits(const Invocation& args);

// Throws for everything that can be judged without the home: numbers, ports, limits that are not enforced.
VmOptions vm_options(const Context& context);
// `name`: of the VM; empty: one is made up.
RestoreOptions restore_options(const Context& context, const std::string& snapshot, const std::string& name);
WaitOptions wait_options(const Context& context);
// What --egress, --allow and --deny say together; nothing when none of them was given.
std::optional<Egress> egress(const Invocation& args);
EngineChoice engine_choice(const Context& context);

// Starts a new VM of that name (empty: one is made up), from a snapshot, an image or files.
Started start_new(Context& context, const std::string& name, bool tie);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CREATION_H_
