// Commands on snapshots and images.
#include "cli/spec.h"

namespace knaller::cli {

Flag capture_flag() {
  return {
      .name = "capture",
      .value = "WAY",
      .help = "How the memory is taken: read from 'outside', written by the 'engine', or 'auto' (default)",
      .names = Names::kWords,
      .words = "auto outside engine"};
}

namespace {

std::vector<Flag> snapshot_create_flags() {
  return {
      {.name = "name", .value = "NAME", .help = "A name for the snapshot, beside its id"},
      {.name = "label",
       .letter = 'l',
       .value = "KEY=VALUE",
       .help = "A label for the snapshot",
       .repeated = true},
      {.name = "no-sync", .help = "Do not wait until it is on the disk: faster, lost when the power goes"},
      {.name = "max-pause",
       .value = "TIME",
       .help = "The longest that the VM may stand still (default: 5s); past it the snapshot fails"},
      capture_flag(),
      {.name = "no-disk", .help = "Leave out the VM's own disk, which is kept elsewhere"},
      {.name = "no-wait", .help = "Fail at once when another command works on the VM"},
      {.name = "while-paused",
       .help = "Run CMD, given behind --, while the VM stands still. Its failure fails the snapshot; the VM "
               "runs on"},
  };
}

std::vector<Command> snapshot_commands() {
  // The Go program's form has no second word, and its --name is the VM.
  Command go_create{.path = "snapshot", .flags = snapshot_create_flags(), .names = Names::kVm, .most = 0};
  return {
      go_create,
      {.path = "snapshot create",
       .aliases = {"snapshots create"},
       .summary = "Take a snapshot of a VM",
       .arguments = "VM [--while-paused -- CMD [ARG…]]",
       .description =
           "Keeps memory, devices and disk of one instant. The VM stands still for a moment and runs on. The "
           "id is printed; `knaller start NAME --from-snapshot ID` makes a VM from it, as often as you like. "
           "CMD finds the snapshot's directory in KNALLER_SNAPSHOT_DIR, and files that it puts there become "
           "part of the snapshot; it is ended when --max-pause has passed.",
       .flags = snapshot_create_flags(),
       .examples = {{"knaller snapshot create web --name before-upgrade", ""},
                    {"id=$(knaller snapshot create web)", ""},
                    {"knaller snapshot create db --while-paused -- zfs snapshot tank/db@now", ""}},
       .names = Names::kVm,
       .least = 1,
       .most = 1,
       .tail = Tail::kAfterDashes},
      {.path = "snapshot ls",
       .aliases = {"snapshot list", "snapshots ls", "snapshots list", "snapshots"},
       .summary = "List snapshots",
       .description =
           "FORMAT is as in `knaller ls --format`, with these fields: {{.ID}} {{.Name}} {{.VM}} {{.Age}} "
           "{{.CPUs}} {{.Memory}} {{.Size}} {{.Ports}} {{.Engine}} {{.EngineVersion}} {{.Image}} "
           "{{.Parent}} {{.Paused}} {{.Labels}} {{.Remarks}} {{.Status}} {{.Reason}} {{.Created}} {{.UUID}} "
           "{{.Directory}}.",
       .flags = {{.name = "format", .value = "FORMAT", .help = "Print this for each snapshot"},
                 {.name = "filter",
                  .letter = 'f',
                  .value = "FILTER",
                  .help = "Only those with label=KEY, label=KEY=VALUE, vm=NAME or name=NAME (* and ? for "
                          "anything); all filters must match",
                  .repeated = true}},
       .examples = {{"knaller snapshot ls --filter vm=web --filter label=stage=ci", ""}}},
      {.path = "snapshot inspect",
       .summary = "Print everything known about snapshots, as JSON",
       .arguments = "ID…",
       .description = "ID is an id, the beginning of one, or a name.",
       .names = Names::kSnapshot,
       .least = 1,
       .most = -1},
      {.path = "snapshot rm",
       .aliases = {"snapshot delete", "snapshot remove", "snapshots rm"},
       .summary = "Remove snapshots",
       .arguments = "ID…",
       .description =
           "VMs that were started from it go on. One that is protected is refused, with --force, too.",
       .flags = {{.name = "force",
                  .letter = 'f',
                  .help = "One that does not exist is no error, nor are labels that can't be read"},
                 {.name = "id", .value = "ID", .names = Names::kSnapshot}},
       .names = Names::kSnapshot,
       .most = -1},
  };
}

std::vector<Command> snapshot_care_commands() {
  return {
      {.path = "snapshot verify",
       .summary = "Check snapshots, to the bit",
       .arguments = "ID…",
       .description =
           "Reads all of each snapshot, on all cores, and compares it with the digests that were made with "
           "it. "
           "The file and the offset of the first damage are printed, and the exit code is 11. Snapshots of "
           "the "
           "Go program have no digests: they are 'unverifiable'. With --quiet, the ids of damaged ones.",
       .flags = {{.name = "all", .letter = 'a', .help = "Every snapshot"}},
       .examples = {{"knaller snapshot verify before-upgrade", ""}, {"knaller snapshot verify --all", ""}},
       .names = Names::kSnapshot,
       .most = -1},
      {.path = "snapshot protect",
       .summary = "Let nobody remove these snapshots",
       .arguments = "ID…",
       .description = "`snapshot rm` refuses them, with --force, too, and `snapshot prune` passes over them.",
       .names = Names::kSnapshot,
       .least = 1,
       .most = -1},
      {.path = "snapshot unprotect",
       .summary = "Let snapshots be removed again",
       .arguments = "ID…",
       .names = Names::kSnapshot,
       .least = 1,
       .most = -1},
      {.path = "snapshot label",
       .summary = "Set and remove labels of a snapshot",
       .arguments = "ID KEY=VALUE… KEY-…",
       .description = "KEY=VALUE sets a label, KEY- removes it.",
       .examples = {{"knaller snapshot label before-upgrade stage=ci ticket-", ""}},
       .names = Names::kSnapshot,
       .least = 2,
       .most = -1},
      {.path = "snapshot rename",
       .summary = "Give a snapshot a name, or another one",
       .arguments = "ID NAME",
       .description = "No two snapshots have the same name. An empty NAME ('') takes it away.",
       .names = Names::kSnapshot,
       .least = 2,
       .most = 2},
      {.path = "snapshot prune",
       .summary = "Remove old snapshots, by rules",
       .description =
           "Removes what matches --vm and all of --label, is not among the last --keep-last of its VM that "
           "match, and is not younger than --max-age. At least one rule must be given. Protected snapshots, "
           "damaged ones and those of the Go program stay, and do not count; imported ones are of no VM "
           "here, and "
           "only --max-age (since their import) and --label concern them. What VMs still use of a removed "
           "one stays with them, and is not counted as freed.",
       .flags = {{.name = "keep-last", .value = "N", .help = "Keep the newest N of each VM"},
                 {.name = "max-age", .value = "TIME", .help = "Keep what is younger: 12h, 7d, 2w"},
                 {.name = "label",
                  .letter = 'l',
                  .value = "KEY[=VALUE]",
                  .help = "Only those with this label",
                  .repeated = true},
                 {.name = "vm", .value = "NAME", .help = "Only those of this VM", .names = Names::kVm},
                 {.name = "dry-run", .help = "Show what would be removed, and remove nothing"}},
       .examples = {{"knaller snapshot prune --keep-last 5 --max-age 7d --dry-run", ""},
                    {"knaller snapshot prune --label stage=ci --max-age 12h", ""}}},
  };
}

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
           "guest's memory, and the key that opens VMs made from it: whoever has it has the guest's secrets.",
       .flags = {{.name = "thin",
                  .help = "Leave out base disk, kernel and initramfs; the home that imports it must have the "
                          "same, from the same image"},
                 {.name = "level", .value = "N", .help = "Of compression, 1 to 19 (default: 3)"},
                 {.name = "threads",
                  .value = "N",
                  .help = "That compress (default: one a core); the result is the same"},
                 {.name = "force", .letter = 'f', .help = "Replace FILE"}},
       .examples = {{"knaller snapshot export before-upgrade web.tar.zst", ""},
                    {"knaller snapshot export web - | ssh host knaller snapshot import -", ""}},
       .names = Names::kSnapshot,
       .least = 2,
       .most = 2},
      {.path = "snapshot import",
       .aliases = {"snapshots import"},
       .summary = "Make a snapshot of an exported one",
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
                  .help = "The name that it has where it comes from, unless another snapshot has it here"},
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
       .most = 1},
  };
}

std::vector<Command> image_commands() {
  return {
      {.path = "image build",
       .summary = "Build an image from Debian packages",
       .arguments = "tiny|debian",
       .description =
           "Makes kernel, initramfs and root file system as an ordinary user, without mounting and without "
           "containers. 'tiny' is busybox with an SSH server and boots in seconds; 'debian' is Debian 12.",
       .flags =
           {{.name = "name", .value = "NAME", .help = "The image's name (default: as its kind)"},
            {.name = "size", .value = "SIZE", .help = "Size of its disk, in MiB or as in 4G"},
            {.name = "package", .value = "NAME", .help = "One more Debian package in it", .repeated = true},
            {.name = "replace", .help = "Replace an image of that name"}},
       .examples = {{"knaller image build tiny", ""},
                    {"knaller image build debian --name web --package nginx --size 4G", ""}},
       .names = Names::kWords,
       .least = 1,
       .most = 1},
      {.path = "image import",
       .summary = "Make an image of a kernel and a root file system of your own",
       .arguments = "NAME --kernel FILE --rootfs FILE [--initrd FILE]",
       .flags = {{.name = "kernel", .value = "FILE", .help = "vmlinux or bzImage", .names = Names::kFile},
                 {.name = "rootfs", .value = "FILE", .help = "An ext4 file system", .names = Names::kFile},
                 {.name = "initrd", .value = "FILE", .help = "An initramfs", .names = Names::kFile}},
       .least = 1,
       .most = 1},
      {.path = "image ls",
       .aliases = {"image list", "images ls", "images list", "images"},
       .summary = "List images",
       .description =
           "FORMAT is as in `knaller ls --format`, with these fields: {{.Name}} {{.Status}} {{.Kind}} "
           "{{.Kernel}} {{.Size}} {{.Age}} {{.Created}} {{.Directory}}.",
       .flags = {{.name = "format", .value = "FORMAT", .help = "Print this for each image"}}},
      {.path = "image inspect",
       .summary = "Print everything known about images, as JSON",
       .arguments = "NAME…",
       .names = Names::kImage,
       .least = 1,
       .most = -1},
      {.path = "image rm",
       .aliases = {"image remove", "image delete", "images rm"},
       .summary = "Remove images",
       .arguments = "NAME…",
       .description = "VMs and snapshots that were made from it go on.",
       .flags = {{.name = "force", .letter = 'f', .help = "One that does not exist is no error"}},
       .names = Names::kImage,
       .least = 1,
       .most = -1},
  };
}

std::vector<Command> whole_store_commands() {
  return {
      {.path = "store du",
       .summary = "Show what everything takes on the disk",
       .description =
           "One row for each image, snapshot and VM: the sizes of its files (SIZE), what they take (ON "
           "DISK), what "
           "of that is in files that others have, too (SHARED), and what comes free when it is removed "
           "(EXCLUSIVE). The total counts every file once: its ON DISK is what `du -s` shows.",
       .flags = {{.name = "bytes", .letter = 'b', .help = "Print bytes as they are"}}},
      {.path = "store check",
       .summary = "Look for what is left behind, wrong or damaged",
       .description =
           "Looks at everything but the contents of large files, which `knaller snapshot verify` reads: what "
           "interrupted commands left, owners and modes, records, missing files. ! can be repaired, ✗ is "
           "damaged "
           "and says what to do, · is only told. Nothing is changed without --repair, which never touches a "
           "running VM's files, anything whole, or what is of the Go program. The exit code is 0 when all "
           "is well, or all was repaired, and else 11.",
       .flags = {{.name = "repair", .help = "Remove what is left behind, mend owners and modes"}},
       .examples = {{"knaller store check", ""}, {"knaller store check --repair", ""}}},
  };
}

}  // namespace

std::vector<Command> store_commands() {
  std::vector<Command> all = snapshot_commands();
  for (Command& command : snapshot_care_commands()) all.push_back(std::move(command));
  for (Command& command : portable_commands()) all.push_back(std::move(command));
  for (Command& command : snapshot_disk_commands()) all.push_back(std::move(command));
  for (Command& command : image_commands()) all.push_back(std::move(command));
  for (Command& command : whole_store_commands()) all.push_back(std::move(command));
  return all;
}

}  // namespace knaller::cli
