// The one table from errors to exit codes; the meaning of each stands in spec.cc (exit_code_rows).
#ifndef KNALLER_CLI_EXIT_CODE_H_
#define KNALLER_CLI_EXIT_CODE_H_

#include "knaller/error.h"

namespace knaller::cli {

// exec and run: knaller itself failed, so that no code of the command's own is taken.
inline constexpr int kExecFailed = 125;

int exit_code_of(Code code);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_EXIT_CODE_H_
