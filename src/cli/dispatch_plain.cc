#include <functional>
#include <map>
#include <string_view>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/dispatch.h"
#include "cli/exit_code.h"
#include "cli/help.h"

namespace knaller::cli {
namespace {

int show_help(const Invocation& args, Output& out) {
  if (args.command != nullptr && !args.command->summary.empty()) {
    out.raw(help_of(*args.command));
  } else if (is_group(args.called)) {
    out.raw(help_of_group(args.called));
  } else {
    out.raw(overview());
  }
  return 0;
}

using PlainCommand = int (*)(const Invocation&, Output&);

PlainCommand plain_command(std::string_view path) {
  static const std::map<std::string_view, PlainCommand> table{
      {"version", cmd_version}, {"help", cmd_help}, {"completion", cmd_completion}, {"__man", cmd_man}};
  const auto found = table.find(path);
  return found == table.end() ? nullptr : found->second;
}

// Commands, flags and files; names of VMs and the like need the library.
std::optional<int> complete(const Invocation& args, Output& out) {
  const Expectation expectation = expected_after(args.tail);
  switch (expectation.names) {
    case Names::kVm:
    case Names::kVmOrFile:
    case Names::kSnapshot:
    case Names::kImage:
      return {};
    default:
      out.raw(completion_lines(expectation, {}));
      return 0;
  }
}

int fail_usage(const Error& error, const Invocation& args, Output& out) {
  out.error(error);
  const bool in_guest =
      args.command != nullptr && (args.command->path == "exec" || args.command->path == "run");
  return in_guest ? kExecFailed : exit_code_of(error.code());
}

}  // namespace

std::optional<int> run_plain(const std::vector<std::string>& arguments) {
  const ParseResult parsed = parse(arguments);
  const Invocation& args = parsed.invocation;
  Output out(args.has("json"), args.has("quiet"));
  try {
    if (parsed.error && arguments.empty()) {
      out.draw(overview());
      return exit_code_of(parsed.error->code());
    }
    if (parsed.error) return fail_usage(*parsed.error, args, out);
    if (args.version) return cmd_version(args, out);
    if (args.help) return show_help(args, out);
    if (args.command->path == "__complete") {
      if (const auto exit_code = complete(args, out)) return exit_code;
    }
    if (const PlainCommand command = plain_command(args.command->path)) return command(args, out);
  } catch (const Error& error) {
    out.error(error);
    return exit_code_of(error.code());
  }
  return {};
}

}  // namespace knaller::cli
