// From flags and settings to the library's options, where several commands have them in common, and the start
// of a new VM.
#ifndef KNALLER_CLI_CREATION_H_
#define KNALLER_CLI_CREATION_H_

#include <chrono>
#include <optional>
#include <string>

#include "cli/context.h"

namespace knaller::cli {

// Flags that configure a new VM were given (not settings of the environment or the configuration file).
bool has_creation_flags(const Invocation& args);

// `name`: of the VM; empty: one is made up.
RestoreOptions restore_options(const Context& context, const std::string& snapshot, const std::string& name);
WaitOptions wait_options(const Context& context);
// What --egress, --allow and --deny change.
EgressChanges egress_changes(const Invocation& args);
// kNotFound when the program is not there. The setting counts even where the command has no flag for it.
EngineChoice engine_choice(const Context& context);
// Of commands that take a snapshot of a running VM. Changes only what was given.
void read_capture_settings(const Context& context, std::chrono::milliseconds& max_pause, CaptureWay& capture);

// Starts a new VM of that name (empty: one is made up), from a snapshot, an image or files.
Started start_new(Context& context, const std::string& name, bool tie);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CREATION_H_
