// The one table of exit codes: what each means, and which errors have it.
#ifndef KNALLER_CLI_EXIT_CODE_H_
#define KNALLER_CLI_EXIT_CODE_H_

#include <string_view>
#include <vector>

#include "knaller/error.h"

namespace knaller::cli {

struct ExitCodeRow {
  int code;
  std::string_view meaning;
  std::vector<Code> errors = {};
};
const std::vector<ExitCodeRow>& exit_code_rows();

int exit_code_of(Code code);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_EXIT_CODE_H_
