// Running a command in a VM with this process's terminal, streams and signals: what `exec` and `run` share.
#ifndef KNALLER_CLI_GUEST_COMMAND_H_
#define KNALLER_CLI_GUEST_COMMAND_H_

#include <string>
#include <vector>

#include "cli/context.h"

namespace knaller::cli {

// Throws for flags that can't be.
ExecOptions exec_options(const Context& context, std::vector<std::string> argv);

// Returns the command's exit code, 128+N when a signal ended it. Throws when knaller or the connection
// failed.
int run_in_guest(Context& context, const std::string& name, ExecOptions options);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_GUEST_COMMAND_H_
