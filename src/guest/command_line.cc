#include "guest/command_line.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace knaller::guest {
namespace {

// The kernel takes no longer single argument than this (MAX_ARG_STRLEN), and the command is one: `sh -c
// COMMAND`.
constexpr size_t kMostBytes = 128 * 1024 - 1;

void check_no_nul(std::string_view text, std::string_view what) {
  if (text.find('\0') != std::string_view::npos)
    fail(Code::kInvalidArgument, "{} must not hold a NUL byte", what);
}

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || is_digit(c); });
}

std::string environment_part(const ExecOptions& options) {
  std::string part;
  for (const auto& [name, value] : options.environment) {
    if (!is_variable_name(name))
      fail(Code::kInvalidArgument, "'{}' is not the name of an environment variable", printable(name));
    check_no_nul(value, "an environment variable");
    part += fmt::format("export {}={}; ", name, quoted_for_shell(value));
  }
  return part;
}

std::string directory_part(const ExecOptions& options) {
  if (options.working_directory.empty()) return {};
  check_no_nul(options.working_directory, "the working directory");
  // `cd -` would go to the last folder, and `cd -x` be an option.
  const std::string_view before = options.working_directory.front() == '-' ? "./" : "";
  return fmt::format("cd {} || exit 126; ",
                     quoted_for_shell(std::string(before) + options.working_directory));
}

std::string program_part(const ExecOptions& options) {
  if (!options.shell_command.empty()) {
    check_no_nul(options.shell_command, "the command");
    return options.shell_command;
  }
  const std::string words = quote_argv(options.argv);
  // bash would take a name with a dash for an option of `exec`, and dash knows no `--` there.
  return options.argv.front().starts_with("-") ? words : "exec " + words;
}

}  // namespace

std::string quote_argv(const std::vector<std::string>& argv) {
  if (argv.empty()) fail(Code::kInvalidArgument, "no command was given");
  std::string line;
  for (const auto& argument : argv) {
    check_no_nul(argument, "an argument");
    if (!line.empty()) line += ' ';
    line += quoted_for_shell(argument);
  }
  return line;
}

std::string command_line(const ExecOptions& options, std::string_view session_user) {
  std::string line = environment_part(options) + directory_part(options) + program_part(options);
  if (options.user != session_user) {
    if (options.user.empty() || options.user.front() == '-')
      fail(Code::kInvalidArgument, "'{}' is not the name of a user", printable(options.user));
    check_no_nul(options.user, "the name of a user");
    // `-s`: users that run services have no login shell. Both busybox's and util-linux's su take these
    // options.
    line = fmt::format("exec su -s /bin/sh -c {} {}", quoted_for_shell(line), quoted_for_shell(options.user));
  }
  if (line.size() > kMostBytes)
    fail(Code::kInvalidArgument, "the command is {} bytes long; at most {} can be passed", line.size(),
         kMostBytes);
  return line;
}

}  // namespace knaller::guest
