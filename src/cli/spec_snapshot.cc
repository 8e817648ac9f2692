// Commands that take snapshots and keep them in order.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {

Flag capture_flag() {
  return {
      .name = "capture",
      .value = "WAY",
      .help = "How the memory is taken: read from 'outside', written by the 'engine', or 'auto' (default)",
      .names = Names::kWords,
      .words = "auto outside engine",
      .convert = as_word,
      .setting = "capture"};
}

Flag max_pause_flag(std::string_view help) {
  return {.name = "max-pause", .value = "TIME", .help = help, .convert = as_time, .setting = "max_pause"};
}

namespace {

std::vector<Flag> snapshot_create_flags() {
  return {
      {.name = "name", .value = "NAME", .help = "A name for the snapshot, beside its id"},
      {.name = "label",
       .letter = 'l',
       .value = "KEY=VALUE",
       .help = "A label for the snapshot",
       .repeated = true,
       .convert = as_label},
      {.name = "no-sync",
       .help = "Do not wait until it is on the disk: faster, but a power cut may damage or lose it"},
      max_pause_flag("The longest pause of the VM (default: 5s); beyond it the snapshot fails"),
      capture_flag(),
      {.name = "no-disk", .help = "Leave out the VM's own disk, which is kept elsewhere"},
      {.name = "no-wait", .help = "Fail at once when another command works on the VM"},
      {.name = "while-paused",
       .help = "Run CMD, given after --, while the VM is paused. If it fails, so does the snapshot; the VM "
               "runs on"},
  };
}

std::vector<Command> taking_commands() {
  // The Go program's form has no second word, and its --name is the VM.
  Command go_create{.path = "snapshot",
                    .flags = snapshot_create_flags(),
                    .names = Names::kVm,
                    .most = 0,
                    .run = cmd_snapshot_create};
  return {
      go_create,
      {.path = "snapshot create",
       .aliases = {"snapshots create"},
       .summary = "Take a snapshot of a VM",
       .arguments = "VM [--while-paused -- CMD [ARG…]]",
       .description =
           "Saves memory, devices and disk at one instant. The VM is paused for a moment and runs on. The id "
           "is printed; `knaller start NAME --from-snapshot ID` makes a VM from it, as often as you like. Of "
           "a stopped VM only the disk is saved. CMD finds the snapshot's directory in KNALLER_SNAPSHOT_DIR, "
           "and files that it puts there become part of the snapshot; it is ended after --max-pause.",
       .flags = snapshot_create_flags(),
       .examples = {{"knaller snapshot create web --name before-upgrade", ""},
                    {"id=$(knaller snapshot create web)", ""},
                    {"knaller snapshot create db --while-paused -- zfs snapshot tank/db@now", ""}},
       .names = Names::kVm,
       .least = 1,
       .most = 1,
       .tail = Tail::kAfterDashes,
       .run = cmd_snapshot_create},
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
                  .repeated = true,
                  .convert = as_filter}},
       .examples = {{"knaller snapshot ls --filter vm=web --filter label=stage=ci", ""}},
       .run = cmd_snapshot_ls},
      {.path = "snapshot inspect",
       .summary = "Print everything known about snapshots, as JSON",
       .arguments = "ID…",
       .description = "ID is an id, the beginning of one, or a name.",
       .names = Names::kSnapshot,
       .least = 1,
       .most = -1,
       .run = cmd_snapshot_inspect},
      {.path = "snapshot rm",
       .aliases = {"snapshot delete", "snapshot remove", "snapshots rm"},
       .summary = "Remove snapshots",
       .arguments = "ID…",
       .description =
           "VMs that were started from it keep running. A protected one is refused, even with --force.",
       .flags = {{.name = "force",
                  .letter = 'f',
                  .help =
                      "One that does not exist is not an error, and labels that can't be read are ignored"},
                 {.name = "id", .value = "ID", .names = Names::kSnapshot}},
       .names = Names::kSnapshot,
       .most = -1,
       .run = cmd_snapshot_rm},
  };
}

std::vector<Command> snapshot_care_commands() {
  return {
      {.path = "snapshot verify",
       .summary = "Check snapshots, to the bit",
       .arguments = "ID…",
       .description =
           "Reads all of each snapshot, on all cores, and compares it with the digests that were made with "
           "it. The file and the offset of the first damage are printed, and the exit code is 11. Snapshots "
           "of the Go program have no digests: they are 'unverifiable'. With --quiet, the ids of damaged "
           "ones.",
       .flags = {{.name = "all", .letter = 'a', .help = "Every snapshot"}},
       .examples = {{"knaller snapshot verify before-upgrade", ""}, {"knaller snapshot verify --all", ""}},
       .names = Names::kSnapshot,
       .most = -1,
       .run = cmd_snapshot_verify},
      {.path = "snapshot protect",
       .summary = "Protect snapshots from being removed",
       .arguments = "ID…",
       .description = "`snapshot rm` refuses them, even with --force, and `snapshot prune` skips them.",
       .names = Names::kSnapshot,
       .least = 1,
       .most = -1,
       .run = cmd_snapshot_protect},
      {.path = "snapshot unprotect",
       .summary = "Let protected snapshots be removed again",
       .arguments = "ID…",
       .names = Names::kSnapshot,
       .least = 1,
       .most = -1,
       .run = cmd_snapshot_unprotect},
      {.path = "snapshot label",
       .summary = "Set and remove labels of a snapshot",
       .arguments = "ID KEY=VALUE… KEY-…",
       .description = "KEY=VALUE sets a label, KEY- removes it.",
       .examples = {{"knaller snapshot label before-upgrade stage=ci ticket-", ""}},
       .names = Names::kSnapshot,
       .least = 2,
       .most = -1,
       .run = cmd_snapshot_label},
      {.path = "snapshot rename",
       .summary = "Name a snapshot, or give it another name",
       .arguments = "ID NAME",
       .description = "No two snapshots have the same name. An empty NAME ('') takes it away.",
       .names = Names::kSnapshot,
       .least = 2,
       .most = 2,
       .run = cmd_snapshot_rename},
      {.path = "snapshot prune",
       .summary = "Remove old snapshots, by rules",
       .description =
           "Of the snapshots that match --vm and every --label, removes those that are neither among the "
           "newest --keep-last of their VM nor younger than --max-age. At least one rule must be given. "
           "Protected snapshots, damaged ones and those of the Go program stay, and do not count. Imported "
           "ones do not belong to a VM here: with --keep-last or --vm they stay, and their age is the time "
           "since their import. What VMs still use of a removed one is not counted as freed.",
       .flags = {{.name = "keep-last",
                  .value = "N",
                  .help = "Keep the newest N of each VM",
                  .convert = as_count,
                  .least = 0,
                  .most = INT32_MAX},
                 {.name = "max-age",
                  .value = "TIME",
                  .help = "Keep what is younger: 12h, 7d, 2w",
                  .convert = as_time},
                 {.name = "label",
                  .letter = 'l',
                  .value = "KEY[=VALUE]",
                  .help = "Only those with this label",
                  .repeated = true,
                  .convert = as_label_rule},
                 {.name = "vm", .value = "NAME", .help = "Only those of this VM", .names = Names::kVm},
                 {.name = "dry-run", .help = "Show what would be removed, and remove nothing"}},
       .examples = {{"knaller snapshot prune --keep-last 5 --max-age 7d --dry-run", ""},
                    {"knaller snapshot prune --label stage=ci --max-age 12h", ""}},
       .run = cmd_snapshot_prune},
  };
}

}  // namespace

std::vector<Command> snapshot_commands() {
  std::vector<Command> all = taking_commands();
  for (Command& command : snapshot_care_commands()) all.push_back(std::move(command));
  return all;
}

}  // namespace knaller::cli
