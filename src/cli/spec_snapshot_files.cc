// Commands that need a snapshot's own contents: as one file, what is on its disk, and putting a VM back to
// it.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {
namespace {

std::vector<Command> portable_commands() {
  return {
      {.path = "snapshot export",
       .aliases = {"snapshots export"},
       .summary = "Write a snapshot as one file, or to a pipe",
       .arguments = "ID FILE|-",
       .description =
           "Writes everything that belongs to the snapshot as one tar, compressed by zstd. `knaller snapshot "
           "import` makes a snapshot of it in another home, for another user, or on another host. Holes are "
           "left out, and the same snapshot always gives the same bytes. FILE appears when it is complete. "
           "It holds the guest's memory, and the key that opens VMs made from it: anyone who has it has the "
           "guest's secrets.",
       .flags = {{.name = "thin",
                  .help = "Leave out base disk, kernel and initramfs; the home that imports it must have the "
                          "same files, from the same image"},
                 {.name = "level",
                  .value = "N",
                  .help = "How hard to compress, 1 to 19 (default: 3)",
                  .convert = as_count,
                  .least = 1,
                  .most = 19},
                 {.name = "threads",
                  .value = "N",
                  .help = "Threads that compress (default: one for each core); the result is the same",
                  .convert = as_count,
                  .least = 1,
                  .most = 64},
                 {.name = "force", .letter = 'f', .help = "Replace FILE"}},
       .examples = {{"knaller snapshot export before-upgrade web.tar.zst", ""},
                    {"knaller snapshot export before-upgrade - | ssh host knaller snapshot import -", ""}},
       .names = Names::kSnapshot,
       .least = 2,
       .most = 2,
       .run = cmd_snapshot_export},
      {.path = "snapshot import",
       .aliases = {"snapshots import"},
       .summary = "Make a snapshot from an exported one",
       .arguments = "FILE|-|DIR",
       .description =
           "Takes what `knaller snapshot export` wrote, or a snapshot's directory: one of knaller's that was "
           "copied by hand, or one of the Go program's, which gets digests this way. Every byte is compared "
           "with the digests on its way in; a damaged or incomplete one is refused, and nothing of it is "
           "kept. The id is printed. A snapshot that is here already is left as it is; if another one has "
           "its id, it gets a new one. What it says about itself decides nothing here: it is marked as "
           "imported, `start` opens none of the host ports that it asks for (see `--trust-ports` there), and "
           "for `rollback` and `snapshot prune` it belongs to no VM.",
       .flags = {{.name = "name", .value = "NAME", .help = "A name for it here"},
                 {.name = "keep-name",
                  .help =
                      "Keep the name that it had where it comes from, unless another snapshot here has it",
                  .not_with = "name"},
                 {.name = "force",
                  .letter = 'f',
                  .help =
                      "Take files of more than 1 TiB, and disks that are larger than the whole file system"}},
       .examples = {{"knaller snapshot import web.tar.zst", ""},
                    {"id=$(knaller snapshot import - < web.tar.zst)", ""},
                    {"knaller snapshot export clean - | ssh host knaller snapshot import --keep-name -",
                     "to another host of yours"}},
       .names = Names::kFile,
       .least = 1,
       .most = 1,
       .run = cmd_snapshot_import},
  };
}

std::vector<Command> disk_commands() {
  return {
      {.path = "snapshot extract",
       .summary = "Copy files out of a snapshot's disk, without starting it",
       .arguments = "ID PATH…",
       .description =
           "Copies files, folders and links, as the guest saw them, each under the last part of its path; "
           "'/' is everything. A link is copied as a link, unless its PATH ends in '/'. Modes, times and "
           "holes are kept. The files belong to you, without set-user-id and the like; devices are left out. "
           "Nothing outside DIR is written. If a PATH does not exist, the others are copied and the exit "
           "code is 3. `/var/lib/knaller` is the private disk itself.",
       .flags = {{.name = "output",
                  .letter = 'o',
                  .value = "DIR",
                  .help =
                      "Copy them to DIR, which is created if it does not exist (default: here); - writes a "
                      "tar to standard output, with the owners as numbers",
                  .names = Names::kDirectory}},
       .examples = {{"knaller snapshot extract before-upgrade /etc/nginx /var/www -o rescued", ""},
                    {"knaller snapshot extract before-upgrade / -o - | tar -tv", ""}},
       .names = Names::kSnapshot,
       .least = 2,
       .most = -1,
       .run = cmd_snapshot_extract},
      {.path = "snapshot diff",
       .summary = "Show what differs between two snapshots",
       .arguments = "A B",
       .description =
           "Prints the files that only B has (+), that changed (~, with what changed: type, mode, owner, "
           "size, content, target of a link, device) and that only A has (-), as the guests see them; then "
           "how many pages of memory differ, whether the devices' state does, and every setting of the "
           "machine that does. Times alone do not count as a difference. With --quiet, the files only.",
       .examples = {{"knaller snapshot diff before-upgrade after-upgrade", ""}},
       .names = Names::kSnapshot,
       .least = 2,
       .most = 2,
       .run = cmd_snapshot_diff},
  };
}

}  // namespace

std::vector<Command> snapshot_file_commands() {
  std::vector<Command> all = portable_commands();
  for (Command& command : disk_commands()) all.push_back(std::move(command));
  return all;
}

Command rollback_command() {
  return {
      .path = "rollback",
      .summary = "Return a VM to one of its snapshots",
      .arguments = "NAME [ID]",
      .description =
          "Restores a snapshot in place: the VM keeps its name, ports and network, and gets the memory, "
          "devices and disk of the snapshot; without ID, of this VM's latest one that is not a safety "
          "snapshot. First everything is checked and prepared, and a safety snapshot of the VM's current "
          "state is taken, whose id is printed. If the restored state does not come up, the VM continues as "
          "it was. The safety snapshot of a stopped VM has only its disk. If this command is killed, the VM "
          "runs as before, is rolled back, or is stopped and can be rolled back to the safety snapshot "
          "(`knaller snapshot ls --filter label=safety`).",
      .flags = {{.name = "no-safety", .help = "Take no snapshot of the VM's current state"},
                {.name = "force",
                 .letter = 'f',
                 .help =
                     "Go ahead despite doubts about CPU, TSC, memory or engine version, and with a snapshot "
                     "of another VM or an imported one"},
                {.name = "verify", .help = "Read all of the snapshot first and compare it with its digests"},
                max_pause_flag("The longest pause of the VM for the safety snapshot (default: 5s)"),
                capture_flag(),
                no_wait_flag(),
                wait_timeout_flag()},
      .examples = {{"knaller rollback web before-upgrade", ""}, {"knaller rollback web", "to the latest"}},
      .names = Names::kVm,
      .least = 1,
      .most = 2,
      .run = cmd_rollback,
  };
}

}  // namespace knaller::cli
