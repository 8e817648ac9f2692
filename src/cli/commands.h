// From an argument vector to an exit code, and one function per command. These return the exit code and throw
// knaller::Error; the table (spec.h) says which command is whose.
#ifndef KNALLER_CLI_COMMANDS_H_
#define KNALLER_CLI_COMMANDS_H_

#include <string>
#include <vector>

namespace knaller::cli {

class Context;
class Output;
struct Invocation;

// Every error ends here.
int run(const std::vector<std::string>& arguments);

// Need neither settings nor a home (cmd_plain.cc).
int cmd_version(const Invocation& args, Output& out);
int cmd_help(const Invocation& args, Output& out);
int cmd_completion(const Invocation& args, Output& out);
int cmd_man(const Invocation& args, Output& out);
// What completion scripts ask. Opens the home for names of what is in it.
int cmd_complete(const Invocation& args, Output& out);

int cmd_start(Context& context);
int cmd_run(Context& context);
int cmd_stop(Context& context);
int cmd_rm(Context& context);
int cmd_set(Context& context);
int cmd_pause(Context& context);
int cmd_resume(Context& context);
int cmd_restart(Context& context);
int cmd_ls(Context& context);
int cmd_inspect(Context& context);
int cmd_logs(Context& context);
int cmd_stats(Context& context);
int cmd_wait(Context& context);
int cmd_events(Context& context);
int cmd_ssh(Context& context);
int cmd_exec(Context& context);
int cmd_ps(Context& context);
int cmd_attach(Context& context);
int cmd_kill(Context& context);
int cmd_cp(Context& context);
int cmd_connect(Context& context);
int cmd_forward(Context& context);
int cmd_ssh_config(Context& context);
int cmd_snapshot_create(Context& context);
int cmd_snapshot_ls(Context& context);
int cmd_snapshot_inspect(Context& context);
int cmd_snapshot_rm(Context& context);
int cmd_snapshot_verify(Context& context);
int cmd_snapshot_protect(Context& context);
int cmd_snapshot_unprotect(Context& context);
int cmd_snapshot_label(Context& context);
int cmd_snapshot_rename(Context& context);
int cmd_snapshot_prune(Context& context);
int cmd_snapshot_export(Context& context);
int cmd_snapshot_import(Context& context);
int cmd_snapshot_extract(Context& context);
int cmd_snapshot_diff(Context& context);
int cmd_rollback(Context& context);
int cmd_image_build(Context& context);
int cmd_image_import(Context& context);
int cmd_image_ls(Context& context);
int cmd_image_inspect(Context& context);
int cmd_image_rm(Context& context);
int cmd_store_du(Context& context);
int cmd_store_check(Context& context);
int cmd_doctor(Context& context);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_COMMANDS_H_
