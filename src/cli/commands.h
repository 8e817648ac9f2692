// One function per command; each returns the exit code and throws knaller::Error.
#ifndef KNALLER_CLI_COMMANDS_H_
#define KNALLER_CLI_COMMANDS_H_

#include "cli/context.h"
#include "cli/output.h"
#include "cli/parse.h"

namespace knaller::cli {

// Need nothing but this program (plain_commands.cc).
int cmd_version(const Invocation& args, Output& out);
int cmd_help(const Invocation& args, Output& out);
int cmd_completion(const Invocation& args, Output& out);
int cmd_man(const Invocation& args, Output& out);

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
int cmd_ssh(Context& context);
int cmd_exec(Context& context);
int cmd_cp(Context& context);
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
int cmd_complete(Context& context);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_COMMANDS_H_
