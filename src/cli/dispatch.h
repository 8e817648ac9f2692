// From parsed arguments to an exit code; every error ends here.
#ifndef KNALLER_CLI_DISPATCH_H_
#define KNALLER_CLI_DISPATCH_H_

#include <optional>
#include <string>
#include <vector>

namespace knaller::cli {

// Commands that need no Manager (version, help, completion, man pages) and wrong usage: the exit code.
// Nothing for every other command.
std::optional<int> run_plain(const std::vector<std::string>& arguments);

// Every command.
int run_all(const std::vector<std::string>& arguments);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_DISPATCH_H_
