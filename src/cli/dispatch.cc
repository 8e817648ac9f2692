// From an argument vector to an exit code.
#include <csignal>
#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/parse.h"

namespace knaller::cli {
namespace {

int failure_code(const Invocation& args, const Error& error) {
  if (args.command != nullptr && args.command->failure_code != 0) return args.command->failure_code;
  return exit_code_of(error.code());
}

int show_help(const Invocation& args, Output& out) {
  if (args.command != nullptr && !args.command->summary.empty()) {
    out.raw(help_of(*args.command));
  } else if (const Family* group = find_group(args.called)) {
    out.raw(help_of_group(*group));
  } else {
    out.raw(overview());
  }
  return 0;
}

int run_plain(const Invocation& args, Output& out) {
  try {
    if (args.version) return cmd_version(args, out);
    if (args.help) return show_help(args, out);
    return args.command->plain(args, out);
  } catch (const std::exception& exception) {
    const Error error = error_from(exception);
    out.error(error);
    return failure_code(args, error);
  }
}

int run_with_context(const Invocation& args, Output& out) {
  // A reader that went away is an error of the write, not the end of this process in the middle of something.
  ::signal(SIGPIPE, SIG_IGN);
  // Inherited as ignored, it would keep from us how our own children end.
  ::signal(SIGCHLD, SIG_DFL);
  std::unique_ptr<Context> context;
  try {
    context = std::make_unique<Context>(args, out);
    return args.command->run(*context);
  } catch (const std::exception& exception) {
    const Error error = error_from(exception);
    if (context) context->progress().finish();
    out.error(error);
    if (error.code() == Code::kCancelled && context) return context->cancelled_code();
    return failure_code(args, error);
  }
}

}  // namespace

int run(const std::vector<std::string>& arguments) {
  const ParseResult parsed = parse(arguments);
  const Invocation& args = parsed.invocation;
  Output out(args.has("json"), args.has("quiet"));
  if (parsed.error) {
    if (arguments.empty())
      out.draw(overview());
    else
      out.error(*parsed.error);
    return failure_code(args, *parsed.error);
  }
  if (args.version || args.help || args.command->plain != nullptr) return run_plain(args, out);
  return run_with_context(args, out);
}

}  // namespace knaller::cli
