// Commands that need neither the library nor a home.
#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/help.h"

namespace knaller::cli {

int cmd_version(const Invocation&, Output& out) {
  if (out.json()) {
    out.document({{"version", KNALLER_VERSION}});
  } else if (out.quiet()) {
    out.result(KNALLER_VERSION);
  } else {
    out.result("knaller " KNALLER_VERSION);
  }
  return 0;
}

namespace {

const Command& command_called(const std::vector<std::string>& words) {
  const std::string path = fmt::format("{}", fmt::join(words, " "));
  const Command* command = find_command(path);
  if (command != nullptr && !command->summary.empty()) return *command;
  std::vector<std::string> known;
  for (const Command& one : commands())
    if (!one.summary.empty()) known.emplace_back(one.path);
  const std::string near = nearest(path, known);
  throw Error(Code::kInvalidArgument, fmt::format("'{}' is no command", printable(path)),
              near.empty() ? "`knaller help` lists the commands"
                           : fmt::format("did you mean `knaller help {}`?", near));
}

}  // namespace

int cmd_help(const Invocation& args, Output& out) {
  if (args.arguments.empty()) {
    out.raw(overview());
  } else if (args.arguments.size() == 1 && is_group(args.arguments[0])) {
    out.raw(help_of_group(args.arguments[0]));
  } else {
    out.raw(help_of(command_called(args.arguments)));
  }
  return 0;
}

int cmd_completion(const Invocation& args, Output& out) {
  const std::string script = completion_script(args.arguments[0]);
  if (script.empty())
    throw Error(Code::kInvalidArgument, fmt::format("no completion for '{}'", printable(args.arguments[0])),
                "there are: bash, zsh, fish");
  out.raw(script);
  return 0;
}

int cmd_man(const Invocation& args, Output& out) {
  const auto directory = args.value("all");
  if (!directory) {
    out.raw(args.arguments.empty() ? man_page() : man_page_of(command_called(args.arguments)));
    return 0;
  }
  make_directories(*directory, 0755);
  write_file_atomically(AT_FDCWD, *directory + "/knaller.1", man_page(), Durability::kNoSync, 0644);
  for (const Command& command : commands())
    if (!command.summary.empty())
      write_file_atomically(AT_FDCWD, fmt::format("{}/{}.1", *directory, man_name(command)),
                            man_page_of(command), Durability::kNoSync, 0644);
  return 0;
}

}  // namespace knaller::cli
