// Commands that need neither settings nor a home: version, help, completion, man pages.
#include <fcntl.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/output.h"
#include "knaller/manager.h"

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
  for (const Command* one : commands())
    if (!one->summary.empty()) known.emplace_back(one->path);
  const std::string near = nearest(path, known);
  throw Error(Code::kInvalidArgument, fmt::format("'{}' is not a command", printable(path)),
              near.empty() ? "`knaller help` lists the commands"
                           : fmt::format("did you mean `knaller help {}`?", near));
}

}  // namespace

int cmd_help(const Invocation& args, Output& out) {
  const Family* const group = args.arguments.size() == 1 ? find_group(args.arguments[0]) : nullptr;
  if (args.arguments.empty()) {
    out.raw(overview());
  } else if (group != nullptr) {
    out.raw(help_of_group(*group));
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
  const auto directory = args.get<std::string>("all");
  if (!directory) {
    out.raw(args.arguments.empty() ? man_page() : man_page_of(command_called(args.arguments)));
    return 0;
  }
  make_directories(*directory, 0755);
  write_file_atomically(AT_FDCWD, *directory + "/knaller.1", man_page(), Durability::kNoSync, 0644);
  for (const Command* command : commands())
    if (!command->summary.empty())
      write_file_atomically(AT_FDCWD, fmt::format("{}/{}.1", *directory, man_name(*command)),
                            man_page_of(*command), Durability::kNoSync, 0644);
  return 0;
}

namespace {

std::vector<Candidate> vm_names(Manager& manager, std::string_view behind) {
  std::vector<Candidate> names;
  for (const VmInfo& vm : manager.list({.stopped_in_full = false}))
    names.push_back({vm.name + std::string(behind), to_string(vm.state)});
  return names;
}

std::vector<Candidate> names_of(Manager& manager, Names kind) {
  std::vector<Candidate> names;
  switch (kind) {
    case Names::kVm:
      return vm_names(manager, "");
    case Names::kVmOrFile:
      return vm_names(manager, ":");
    case Names::kSnapshot:
      for (const SnapshotInfo& snapshot : manager.list_snapshots()) {
        names.push_back({snapshot.id, "of " + snapshot.vm_name});
        if (!snapshot.name.empty()) names.push_back({snapshot.name, snapshot.id});
      }
      return names;
    case Names::kImage:
      for (const ImageInfo& image : manager.list_images()) names.push_back({image.name, image.source});
      return names;
    case Names::kNothing:
    case Names::kFile:
    case Names::kDirectory:
    case Names::kCommand:
    case Names::kWords:
    case Names::kWordsOrFile:
      break;
  }
  return names;
}

bool are_in_the_home(Names kind) {
  return kind == Names::kVm || kind == Names::kVmOrFile || kind == Names::kSnapshot || kind == Names::kImage;
}

}  // namespace

int cmd_complete(const Invocation& args, Output& out) {
  const Expectation expectation = expected_after(args.tail);
  std::vector<Candidate> names;
  if (are_in_the_home(expectation.names)) {
    ManagerOptions options;
    options.home = expectation.home ? *expectation.home : Settings::load(args, ::getenv).text("home");
    Manager manager(std::move(options));
    names = names_of(manager, expectation.names);
  }
  out.raw(completion_lines(expectation, names));
  return 0;
}

}  // namespace knaller::cli
