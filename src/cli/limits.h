// What --cpus, --pids, --disk-bandwidth and their like ask for. Pure.
#ifndef KNALLER_CLI_LIMITS_H_
#define KNALLER_CLI_LIMITS_H_

#include "cli/parse.h"
#include "knaller/types.h"

namespace knaller::cli {

// For a command that has these flags. What lifts a limit is 0 in the result, or any_memory.
LimitChanges limit_changes(const Invocation& args);
// Those of a new VM.
Limits limits_of(const LimitChanges& changes);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_LIMITS_H_
