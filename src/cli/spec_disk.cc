// Commands on what is on the disks of snapshots.
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

}  // namespace knaller::cli
