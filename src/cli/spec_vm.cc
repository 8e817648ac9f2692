// Commands that end and change VMs, and flags of several commands.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {
namespace {

Flag all_flag(std::string_view help) {
  return {.name = "all", .letter = 'a', .help = help};
}

Flag timeout_flag() {
  return {.name = "timeout",
          .letter = 't',
          .value = "TIME",
          .help = "How long the guest may take before it is ended (default: 10s)",
          .convert = as_time,
          .setting = "stop_timeout"};
}

}  // namespace

// The Go program names a VM by a flag; works wherever a NAME does.
Flag name_flag() {
  return {.name = "name", .value = "NAME", .names = Names::kVm};
}

Flag no_wait_flag() {
  return {.name = "no-wait", .help = "Return as soon as the guest runs, not when it is ready"};
}

Flag wait_timeout_flag() {
  return {.name = "wait-timeout",
          .value = "TIME",
          .help = "How long to wait for the guest to be ready (default: 2m)",
          .convert = as_time,
          .setting = "wait_timeout"};
}

std::vector<Flag> egress_flags() {
  return {
      {.name = "egress",
       .value = "MODE",
       .help = "Where the guest may connect to: internet (default) or none, not even a name server",
       .names = Names::kWords,
       .words = "internet none",
       .convert = as_word,
       .creates = true},
      {.name = "allow",
       .value = "NET[:PORT[/udp]]",
       .help = "Let the guest reach this as well: a private network, an address, or dns; none: nothing more",
       .repeated = true,
       .convert = as_rule,
       .creates = true},
      {.name = "deny",
       .value = "NET[:PORT[/udp]]",
       .help = "Never let the guest reach this; takes precedence over --allow; none: nothing of its own",
       .repeated = true,
       .convert = as_rule,
       .creates = true},
  };
}

std::vector<Flag> limit_flags() {
  return {
      {.name = "disk-bandwidth",
       .value = "SIZE[:BURST]",
       .help = "Bytes a second to and from each of its disks, as in 20M; none lifts the limit",
       .convert = as_bytes_a_second},
      {.name = "disk-iops",
       .value = "N[:BURST]",
       .help = "Reads and writes a second on each of its disks",
       .convert = as_operations_a_second},
      {.name = "network-bandwidth",
       .value = "SIZE[:BURST]",
       .help = "Bytes a second over its network, each way",
       .convert = as_bytes_a_second},
      {.name = "pids",
       .value = "N",
       .help = "At most N processes and threads in its engine and network (default: 640)",
       .convert = as_count_or_none,
       .most = 100'000},
      {.name = "cpu-weight",
       .value = "N",
       .help = "Its share when processors are busy, 1 to 10000 (default: 100)",
       .convert = as_count_or_none,
       .most = 10'000},
      {.name = "memory-max",
       .value = "SIZE",
       .help = "Memory of the whole VM with engine and page cache (default: what it needs); none lifts it",
       .convert = as_memory_limit},
      {.name = "cgroup-slice",
       .value = "PATH",
       .help = "Put the VM below this control group, relative to the hierarchy (root) or to what is "
               "delegated to you"},
      {.name = "best-effort", .help = "If the host can't enforce a limit, start without it and say so"},
  };
}

std::vector<Flag> engine_flags() {
  return {
      {.name = "engine",
       .value = "ENGINE",
       .help = "auto (default), firecracker, qemu, or the path of one",
       .names = Names::kWordsOrFile,
       .words = "auto firecracker qemu",
       .convert = as_engine,
       .setting = "engine",
       .creates = true},
      {.name = "firecracker",
       .value = "FILE",
       .help = "The Firecracker program to use",
       .names = Names::kFile,
       .creates = true},
  };
}

std::vector<Command> vm_commands() {
  return {
      start_command(),
      run_command(),
      {.path = "stop",
       .summary = "Shut VMs down",
       .arguments = "NAME…",
       .description =
           "Asks the guest to shut down (Ctrl+Alt+Del), waits, then ends it. When the command returns, "
           "the VM has ended. A paused VM is resumed first. Stopping a stopped VM is not an error.",
       .flags = {all_flag("Every VM that runs"),
                 timeout_flag(),
                 {.name = "force", .letter = 'f', .help = "End it at once"},
                 name_flag()},
       .examples = {{"knaller stop web db", ""}, {"knaller stop --all -t 30", ""}},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_stop},
      {.path = "rm",
       .aliases = {"remove", "delete"},
       .summary = "Remove VMs with their disks",
       .arguments = "NAME…",
       .description = "Removes stopped VMs: disk, log, configuration. Images and snapshots stay.",
       .flags = {all_flag("Every VM"),
                 {.name = "force",
                  .letter = 'f',
                  .help = "End a VM that runs; one that does not exist is not an error"},
                 name_flag()},
       .examples = {{"knaller rm -f web web2 web3", ""}},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_rm},
      {.path = "set",
       .summary = "Change where VMs may connect to, their limits, and the size of a stopped VM's disk",
       .arguments = "NAME…",
       .description =
           "Changes existing VMs, running or stopped, at once and for good. What is not given stays as it "
           "is. "
           "--egress, --allow and --deny say where the guest may connect to: those of --allow that are given "
           "take the place of all that there were, and so do those of --deny; `--allow none` and `--deny "
           "none` "
           "leave none. Connections that are no longer allowed are reset. Limits apply at once, except "
           "--cgroup-slice and --best-effort, which apply at the next start; none lifts a limit. --disk "
           "makes the private disk of a "
           "stopped VM and the file system on it larger; if the guest was not shut down, its journal is "
           "replayed first.",
       .flags =
           [] {
             std::vector<Flag> flags = egress_flags();
             const std::vector<Flag> limits = limit_flags();
             flags.insert(flags.end(), limits.begin(), limits.end());
             flags.push_back({.name = "cpus",
                              .letter = 'c',
                              .value = "N",
                              .help = "Processor time, as in 0.5, up to the number of its virtual CPUs",
                              .convert = as_milli_cpus,
                              .least = 10,
                              .most = 32'000});
             flags.push_back({.name = "disk",
                              .value = "SIZE",
                              .help = "New size of the private disk, in MiB or as in 10G; it can only grow",
                              .convert = as_mebibytes});
             flags.push_back(name_flag());
             return flags;
           }(),
       .examples = {{"knaller set web --egress none --allow dns --allow 10.0.0.5:5432",
                     "a database and nothing else"},
                    {"knaller set web --deny 198.51.0.0/16", ""},
                    {"knaller set web --cpus 0.5 --disk-bandwidth 20M", "a quiet neighbour"},
                    {"knaller stop web && knaller set web --disk 20G", "room on a full disk"}},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_set},
      {.path = "pause",
       .summary = "Pause VMs",
       .arguments = "NAME…",
       .description = "Stops the virtual CPUs. Memory, disk and ports stay until `knaller resume`.",
       .flags = {all_flag("Every VM that runs"), name_flag()},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_pause},
      {.path = "resume",
       .aliases = {"unpause"},
       .summary = "Let paused VMs run on",
       .arguments = "NAME…",
       .flags = {all_flag("Every VM that is paused"), name_flag()},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_resume},
      {.path = "restart",
       .summary = "Stop VMs and start them again",
       .arguments = "NAME…",
       .description = "The disk, the ports and the configuration stay.",
       .flags = {all_flag("Every VM that runs"),
                 timeout_flag(),
                 {.name = "force", .letter = 'f', .help = "End it at once"},
                 no_wait_flag(),
                 wait_timeout_flag(),
                 name_flag()},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_restart},
      {.path = "ls",
       .aliases = {"list"},
       .summary = "List VMs",
       .description = "Shows VMs with their state. Stopped ones need --all; crashed and broken ones are "
                      "always shown, with the reason.\n\n"
                      "FORMAT is text with fields in double braces, one line a VM: {{.Name}} {{.Status}} "
                      "{{.Reason}} {{.Age}} {{.CPUs}} {{.Memory}} {{.Ports}} {{.Image}} {{.Engine}} "
                      "{{.EngineVersion}} {{.Network}} {{.Snapshot}} {{.UUID}} {{.Created}} "
                      "{{.Started}} {{.Directory}} {{.PID}}; {{json .}} is the whole VM; \\t and \\n are a "
                      "tab and a new line; 'table ' in front makes a table with headings.",
       .flags = {{.name = "all", .letter = 'a', .help = "Stopped VMs too"},
                 {.name = "format", .value = "FORMAT", .help = "Print this for each VM"}},
       .examples = {{"knaller ls -a", ""}, {"knaller ls --format '{{.Name}}\\t{{.Ports}}'", ""}},
       .run = cmd_ls},
      {.path = "inspect",
       .summary = "Print everything known about VMs, as JSON",
       .arguments = "NAME…",
       .description = "One name prints one object; several print them in a list under 'results'.",
       .flags = {name_flag()},
       .examples = {{"knaller inspect web | jq .ports", ""}},
       .names = Names::kVm,
       .most = -1,
       .run = cmd_inspect},
      {.path = "logs",
       .summary = "Show the console of a VM",
       .arguments = "NAME",
       .description = "What the guest has written since the VM's last start. Works for VMs that have ended "
                      "too, and then says how they ended.",
       .flags = {{.name = "follow", .letter = 'f', .help = "Keep printing until the VM ends, or Ctrl-C"},
                 {.name = "lines",
                  .letter = 'n',
                  .value = "N",
                  .help = "The last N lines only",
                  .convert = as_lines},
                 {.name = "tail", .value = "N", .canonical = "lines"},
                 {.name = "engine", .help = "The engine's log instead of the guest's console"},
                 name_flag()},
       .examples = {{"knaller logs -f -n 20 web", ""}},
       .names = Names::kVm,
       .most = 1,
       .run = cmd_logs},
  };
}

}  // namespace knaller::cli
