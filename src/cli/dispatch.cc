#include "cli/dispatch.h"

#include <csignal>
#include <map>
#include <string_view>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace knaller::cli {
namespace {

using ContextCommand = int (*)(Context&);

const std::map<std::string_view, ContextCommand>& context_commands() {
  static const std::map<std::string_view, ContextCommand> table{
      {"start", cmd_start},
      {"run", cmd_run},
      {"stop", cmd_stop},
      {"rm", cmd_rm},
      {"set", cmd_set},
      {"pause", cmd_pause},
      {"resume", cmd_resume},
      {"restart", cmd_restart},
      {"rollback", cmd_rollback},
      {"ls", cmd_ls},
      {"inspect", cmd_inspect},
      {"logs", cmd_logs},
      {"ssh", cmd_ssh},
      {"exec", cmd_exec},
      {"cp", cmd_cp},
      {"ssh-config", cmd_ssh_config},
      {"snapshot", cmd_snapshot_create},
      {"snapshot create", cmd_snapshot_create},
      {"snapshot ls", cmd_snapshot_ls},
      {"snapshot inspect", cmd_snapshot_inspect},
      {"snapshot rm", cmd_snapshot_rm},
      {"snapshot verify", cmd_snapshot_verify},
      {"snapshot protect", cmd_snapshot_protect},
      {"snapshot unprotect", cmd_snapshot_unprotect},
      {"snapshot label", cmd_snapshot_label},
      {"snapshot rename", cmd_snapshot_rename},
      {"snapshot prune", cmd_snapshot_prune},
      {"snapshot export", cmd_snapshot_export},
      {"snapshot import", cmd_snapshot_import},
      {"snapshot extract", cmd_snapshot_extract},
      {"snapshot diff", cmd_snapshot_diff},
      {"image build", cmd_image_build},
      {"image import", cmd_image_import},
      {"image ls", cmd_image_ls},
      {"image inspect", cmd_image_inspect},
      {"image rm", cmd_image_rm},
      {"store du", cmd_store_du},
      {"store check", cmd_store_check},
      {"doctor", cmd_doctor},
      {"__complete", cmd_complete},
  };
  return table;
}

int run_command(const Invocation& args, Output& out) {
  const bool in_guest = args.command->path == "exec" || args.command->path == "run";
  std::unique_ptr<Context> context;
  try {
    context = std::make_unique<Context>(args, out);
    return context_commands().at(args.command->path)(*context);
  } catch (const std::exception& exception) {
    const Error error = error_from(exception);
    if (context) context->progress().finish();
    out.error(error);
    if (error.code() == Code::kCancelled && context) return context->cancelled_code();
    return in_guest ? kExecFailed : exit_code_of(error.code());
  }
}

}  // namespace

int run_all(const std::vector<std::string>& arguments) {
  if (const auto exit_code = run_plain(arguments)) return *exit_code;
  // A reader that went away is an error of the write, not the end of this process in the middle of something.
  ::signal(SIGPIPE, SIG_IGN);
  // Inherited as ignored, it would keep from us how our own children end.
  ::signal(SIGCHLD, SIG_DFL);
  const ParseResult parsed = parse(arguments);
  Output out(parsed.invocation.has("json"), parsed.invocation.has("quiet"));
  return run_command(parsed.invocation, out);
}

}  // namespace knaller::cli
