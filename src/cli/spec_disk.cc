// Commands that need a snapshot's own contents: what is on its disk, and putting a VM back to it.
#include "cli/spec.h"

namespace knaller::cli {

std::vector<Command> snapshot_disk_commands() {
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
       .most = -1},
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
       .most = 2},
  };
}

Command rollback_command() {
  return {
      .path = "rollback",
      .summary = "Put a VM back to a snapshot of it",
      .arguments = "NAME [ID]",
      .description =
          "Puts a VM back in its place: same name, ports and network, with memory, devices and disk of the "
          "snapshot; without ID, of the latest of this VM that is no safety snapshot. First everything is "
          "checked and made ready, and a "
          "safety snapshot of its present state is taken, whose id is printed; if the other state does not "
          "come up, the VM goes on as it was. A VM that does not run has no state but its disk, which only "
          "--no-safety gives up. If this command is killed, the VM runs as before, is rolled back, or is "
          "stopped and can be put back to the safety snapshot (`knaller snapshot ls --filter "
          "label=safety`).",
      .flags = {{.name = "no-safety", .help = "Keep no snapshot of what the VM is now"},
                {.name = "force",
                 .letter = 'f',
                 .help = "Pass over doubts about CPU, TSC, memory or engine version, and take a snapshot of "
                         "another VM"},
                {.name = "verify", .help = "Read all of the snapshot first and compare it with its digests"},
                {.name = "max-pause",
                 .value = "TIME",
                 .help = "The longest that the VM may stand still for the safety snapshot (default: 5s)"},
                capture_flag(),
                {.name = "no-wait", .help = "Return as soon as the guest runs, not when it is ready"},
                {.name = "wait-timeout",
                 .value = "TIME",
                 .help = "How long it may take to be ready (default: 2m)"}},
      .examples = {{"knaller rollback web before-upgrade", ""}, {"knaller rollback web", "to the latest"}},
      .names = Names::kVm,
      .least = 1,
      .most = 2,
  };
}

}  // namespace knaller::cli
