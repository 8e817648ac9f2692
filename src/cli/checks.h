// Rows of checks as people and programs read them.
#ifndef KNALLER_CLI_CHECKS_H_
#define KNALLER_CLI_CHECKS_H_

#include <vector>

#include "cli/context.h"
#include "knaller/types.h"

namespace knaller::cli {

// A table, or with --json {"ok", "checks"}. False when one failed.
bool print_checks(Context& context, const std::vector<CheckRow>& rows);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CHECKS_H_
