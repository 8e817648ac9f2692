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
           "Makes one tar, compressed by zstd, of all that the snapshot consists of; `knaller snapshot "
           "import` "
           "makes a snapshot of it in another home, for another user, or on another host. Holes are not in "
           "it, and the same snapshot always makes the same bytes. FILE appears when it is whole. It holds "
           "the "
           "guest's memory, and the key that opens VMs made from it: anyone who has it has the guest's "
           "secrets.",
       .flags = {{.name = "thin",
                  .help = "Leave out base disk, kernel and initramfs; the home that imports it must have the "
                          "same, from the same image"},
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
                    {"knaller snapshot export web - | ssh host knaller snapshot import -", ""}},
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
           "copied by hand, or one of the Go program, which gets digests by it. Every byte is compared with "
           "the digests on its way; what is not whole is refused, and leaves nothing behind. The id is "
           "printed. A snapshot that is here already is left as it is; when another one has its id it gets a "
           "new one. What it says of itself decides nothing here: it is known as imported, `start` opens "
           "none "
           "of the host ports that it asks for (see `--trust-ports` there), and `rollback` and `snapshot "
           "prune` take it for no VM's own.",
       .flags = {{.name = "name", .value = "NAME", .help = "A name for it here"},
                 {.name = "keep-name",
                  .help = "The name that it has where it comes from, unless another snapshot has it here",
                  .not_with = "name"},
                 {.name = "force",
                  .letter = 'f',
                  .help =
                      "Take files of more than 1 TiB, and disks that are larger than the whole file system"}},
       .examples = {{"knaller snapshot import web.tar.zst", ""},
                    {"id=$(knaller snapshot import - < web.tar.zst)", ""},
                    {"knaller snapshot export clean - | ssh host knaller snapshot import --keep-name -",
                     "to a host of one's own"}},
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
           "'/' is everything. A link is copied as a link, unless its PATH ends in '/'. Modes and times are "
           "kept, and holes. Files are yours, without set-user-id and the like; devices are left out. "
           "Nothing "
           "outside DIR is written. A PATH that is not there does not keep the others from being copied; the "
           "exit code is then 3. `/var/lib/knaller` is the private disk itself.",
       .flags = {{.name = "output",
                  .letter = 'o',
                  .value = "DIR",
                  .help = "Where to, made when it is not there (default: here); - writes a tar to standard "
                          "output, with the owners as numbers",
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
           "Prints the files that B has and A has not (+), that changed (~, and what of them: type, mode, "
           "owner, size, content, target of a link, device) and that only A has (-), as the guests see them; "
           "then how many pages of memory differ, whether the devices' state does, and every setting of the "
           "machine that does. Times alone are no difference. With --quiet, the files only.",
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
      .summary = "Put a VM back to a snapshot of it",
      .arguments = "NAME [ID]",
      .description =
          "Puts a VM back in its place: same name, ports and network, with memory, devices and disk of the "
          "snapshot; without ID, of the latest of this VM that is not a safety snapshot. First everything is "
          "checked and made ready, and a "
          "safety snapshot of its present state is taken, whose id is printed; if the other state does not "
          "come up, the VM goes on as it was. Of a VM that does not run the safety snapshot has the "
          "disk. If this command is killed, the VM runs as before, is rolled back, or is "
          "stopped and can be put back to the safety snapshot (`knaller snapshot ls --filter "
          "label=safety`).",
      .flags = {{.name = "no-safety", .help = "Keep no snapshot of what the VM is now"},
                {.name = "force",
                 .letter = 'f',
                 .help = "Pass over doubts about CPU, TSC, memory or engine version, and take a snapshot of "
                         "another VM"},
                {.name = "verify", .help = "Read all of the snapshot first and compare it with its digests"},
                max_pause_flag(
                    "The longest that the VM may stand still for the safety snapshot (default: 5s)"),
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
