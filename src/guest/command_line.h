// SSH carries a command as one string that the login shell of the guest's user reads. These make strings in
// which that shell (POSIX sh, bash, busybox) takes every argument as it was given. Pure.
#ifndef KNALLER_GUEST_COMMAND_LINE_H_
#define KNALLER_GUEST_COMMAND_LINE_H_

#include <string>
#include <string_view>
#include <vector>

#include "knaller/manager.h"

namespace knaller::guest {

// The arguments, each quoted. Throws kInvalidArgument for no arguments and for a NUL in one.
std::string quote_argv(const std::vector<std::string>& argv);

// The whole command: environment, working directory, the change from `session_user` to another user, then
// argv (in place of the shell, so that signals and exit statuses are the command's own) or the shell command.
// Throws kInvalidArgument.
std::string command_line(const ExecOptions& options, std::string_view session_user);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_COMMAND_LINE_H_
