// Commands that make, end and change VMs.
#include "cli/spec.h"

namespace knaller::cli {
namespace {

// The Go program names a VM by a flag; works wherever a NAME does.
Flag name_flag() {
  return {.name = "name", .value = "NAME", .names = Names::kVm};
}

Flag all_flag(std::string_view help) {
  return {.name = "all", .letter = 'a', .help = help};
}

std::vector<Flag> limit_flags() {
  return {
      {.name = "network-bandwidth",
       .value = "MBPS",
       .help = "Limit of network traffic. Not enforced yet: anything but 0 is refused"},
      {.name = "disk-bandwidth",
       .value = "MBPS",
       .help = "Limit of disk traffic. Not enforced yet: anything but 0 is refused"},
      {.name = "disk-iops",
       .value = "N",
       .help = "Limit of disk operations. Not enforced yet: anything but 0 is refused"},
  };
}

std::vector<Flag> egress_flags() {
  return {
      {.name = "egress",
       .value = "MODE",
       .help = "Where the guest may connect to: internet (default) or none, not even a name server",
       .names = Names::kWords,
       .words = "internet none"},
      {.name = "allow",
       .value = "NET[:PORT[/udp]]",
       .help = "Let the guest reach this all the same: a private network, an address, or dns",
       .repeated = true},
      {.name = "deny",
       .value = "NET[:PORT[/udp]]",
       .help = "Never let the guest reach this; beats --allow",
       .repeated = true},
  };
}

std::vector<Flag> creation_flags() {
  std::vector<Flag> flags{
      {.name = "name", .value = "NAME", .help = "The VM's name; one is made up when none is given"},
      {.name = "image", .value = "IMAGE", .help = "What to boot (default: tiny)", .names = Names::kImage},
      {.name = "cpus", .letter = 'c', .value = "N", .help = "Virtual CPUs (default: 1)"},
      {.name = "mem", .letter = 'm', .value = "SIZE", .help = "Memory, in MiB or as in 2G (default: 1024)"},
      {.name = "memory", .value = "SIZE", .canonical = "mem"},
      {.name = "disk", .value = "SIZE", .help = "Private disk, in MiB or as in 10G (default: the image's)"},
      {.name = "port",
       .letter = 'p',
       .value = "[ADDR:]HOST:GUEST[/udp]",
       .help = "Forward a host port to the guest; ADDR is 127.0.0.1 unless given, HOST 0 takes a free one",
       .repeated = true},
      {.name = "network",
       .value = "MODE",
       .help = "rootless (default) or none",
       .names = Names::kWords,
       .words = "rootless none"},
      {.name = "from-snapshot",
       .value = "ID",
       .help = "Start from a snapshot: its memory, devices and disk",
       .names = Names::kSnapshot},
      {.name = "disk-only",
       .help = "With --from-snapshot: boot its disk cold, with its kernel and settings, on any engine, and "
               "leave its memory"},
      {.name = "force",
       .help = "With --from-snapshot: pass over doubts about CPU, TSC, memory or engine version, never over "
               "damage"},
      {.name = "trust-ports",
       .help =
           "With --from-snapshot: open the host ports that an imported snapshot asks for, too, as for one "
           "that was taken here"},
      {.name = "verify",
       .help = "With --from-snapshot: read all of the snapshot first and compare it with its digests"},
      {.name = "kernel",
       .value = "FILE",
       .help = "A kernel of your own instead of an image",
       .names = Names::kFile},
      {.name = "rootfs",
       .value = "FILE",
       .help = "An ext4 root file system of your own; it is copied",
       .names = Names::kFile},
      {.name = "initrd", .value = "FILE", .help = "An initramfs of your own", .names = Names::kFile},
      {.name = "kernel-args", .value = "TEXT", .help = "More words for the kernel's command line"},
      {.name = "on-reboot",
       .value = "WHAT",
       .help = "When the guest reboots: restart (default) or stop",
       .names = Names::kWords,
       .words = "restart stop"},
      {.name = "pasta", .value = "FILE", .help = "The pasta program to use", .names = Names::kFile},
      {.name = "no-wait", .help = "Return as soon as the guest runs, not when it is ready"},
      {.name = "wait-timeout", .value = "TIME", .help = "How long it may take to be ready (default: 2m)"},
  };
  for (const auto& more : {egress_flags(), engine_flags(), limit_flags()})
    flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

Command start_command() {
  Command start{
      .path = "start",
      .summary = "Start a VM: a new one, or one that is stopped",
      .arguments = "[NAME…]",
      .description =
          "Makes a VM and starts it. A NAME that exists and is stopped is booted again as it was configured; "
          "options that would configure it are then an error.\n\n"
          "Without --detach the command stays: the guest's console goes to standard output, the first Ctrl-C "
          "shuts the VM down, the second ends it. Either way the VM is kept, stopped, until `knaller rm`.\n\n"
          "What is booted: --image, else KNALLER_IMAGE or the configuration file, else vmlinux and "
          "rootfs.ext4 "
          "when both lie in the home directory (as the Go program has it), else the image 'tiny', which is "
          "built first if need be.\n\n"
          "A snapshot is checked before anything is touched: its files, format and state, the engine, the "
          "processor, memory, disk space, network and ports. --check prints the checks, starts nothing, and "
          "exits with the code of the first that failed. With --network none a clone of a VM that had a "
          "network keeps its network card, which then leads nowhere.",
      .flags = creation_flags(),
      .examples = {{"knaller start -d web -p 8080:80",
                    "a VM in the background, its port 80 at 127.0.0.1:8080"},
                   {"knaller start web2 -d --from-snapshot snap_1a2b3c4d", "a copy of a VM as it was"},
                   {"knaller start --from-snapshot snap_1a2b3c4d --check", "would it start here?"},
                   {"knaller start --rm", "until Ctrl-C, then gone"}},
      .names = Names::kVm,
      .most = -1,
  };
  start.flags.push_back({.name = "detach", .letter = 'd', .help = "Leave the VM running in the background"});
  start.flags.push_back({.name = "check",
                         .help =
                             "With --from-snapshot: only check whether it can be started here, and say what "
                             "would be in the way"});
  start.flags.push_back({.name = "rm", .help = "Remove the VM when it ends or this command does"});
  return start;
}

Command run_command() {
  Command run{
      .path = "run",
      .summary = "Start a VM, run a command in it, remove it",
      .arguments = "[NAME] [-- CMD…]",
      .description =
          "Starts a new VM, runs CMD in it with this terminal, and removes the VM. The exit code is the "
          "command's own. Without CMD it opens a shell. If this command is killed, the VM goes too.",
      .flags = creation_flags(),
      .examples = {{"knaller run -- uname -a", "a clean machine for one command"},
                   {"knaller run --keep web -- sh -c 'apk add nginx'", "keep the VM for later"}},
      .most = 1,
      .tail = Tail::kAfterDashes,
  };
  run.flags.push_back({.name = "keep", .help = "Keep the VM running afterwards"});
  run.flags.push_back({.name = "rm", .help = "Remove the VM afterwards, which is done anyway"});
  run.flags.push_back({.name = "tty", .letter = 't', .help = "Give the command a terminal, always"});
  run.flags.push_back({.name = "no-tty", .letter = 'T', .help = "Give the command no terminal"});
  run.flags.push_back(
      {.name = "interactive", .letter = 'i', .help = "Connect the input, which is done anyway"});
  run.flags.push_back({.name = "no-stdin", .letter = 'n', .help = "Give the command no input"});
  run.flags.push_back(
      {.name = "env", .letter = 'e', .value = "K=V", .help = "Set a variable", .repeated = true});
  run.flags.push_back({.name = "workdir", .letter = 'w', .value = "DIR", .help = "Run it in this directory"});
  run.flags.push_back(
      {.name = "user", .letter = 'u', .value = "USER", .help = "Run it as USER (default: root)"});
  return run;
}

}  // namespace

std::vector<Flag> engine_flags() {
  return {
      {.name = "engine",
       .value = "ENGINE",
       .help = "auto (default), firecracker, qemu, or the path of one",
       .names = Names::kWords,
       .words = "auto firecracker qemu"},
      {.name = "firecracker",
       .value = "FILE",
       .help = "The Firecracker program to use",
       .names = Names::kFile},
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
           "the VM has ended. A paused VM is resumed first. Stopping a stopped VM is no error.",
       .flags = {all_flag("Every VM that runs"),
                 {.name = "timeout",
                  .letter = 't',
                  .value = "TIME",
                  .help = "How long the guest may take before it is ended (default: 10s)"},
                 {.name = "force", .letter = 'f', .help = "End it at once"},
                 name_flag()},
       .examples = {{"knaller stop web db", ""}, {"knaller stop --all -t 30", ""}},
       .names = Names::kVm,
       .most = -1},
      {.path = "rm",
       .aliases = {"remove", "delete"},
       .summary = "Remove VMs with their disks",
       .arguments = "NAME…",
       .description = "Removes stopped VMs: disk, log, configuration. Images and snapshots stay.",
       .flags = {all_flag("Every VM"),
                 {.name = "force",
                  .letter = 'f',
                  .help = "End a VM that runs; one that does not exist is no error"},
                 name_flag()},
       .examples = {{"knaller rm -f web web2 web3", ""}},
       .names = Names::kVm,
       .most = -1},
      {.path = "set",
       .summary = "Change where VMs may connect to, also while they run, and their disks while they do not",
       .arguments = "NAME…",
       .description =
           "Changes VMs that are there, running or stopped, at once and for good. --egress, --allow and "
           "--deny "
           "together say where the guest may connect to: what is not given has its default, so `knaller set "
           "NAME --egress internet` undoes all that was set. Connections that the guest has already are "
           "subject to it, too. --disk makes the private disk of a stopped VM larger, with the file system "
           "on "
           "it: what a guest that was not shut down left in its journal is written to it first.",
       .flags =
           [] {
             std::vector<Flag> flags = egress_flags();
             flags.push_back({.name = "disk",
                              .value = "SIZE",
                              .help = "New size of the private disk, in MiB or as in 10G; it can only grow"});
             flags.push_back(name_flag());
             return flags;
           }(),
       .examples = {{"knaller set web --egress none --allow dns --allow 10.0.0.5:5432",
                     "a database and nothing else"},
                    {"knaller set web --deny 198.51.0.0/16", ""},
                    {"knaller stop web && knaller set web --disk 20G", "room on a full disk"}},
       .names = Names::kVm,
       .most = -1},
      {.path = "pause",
       .summary = "Pause VMs",
       .arguments = "NAME…",
       .description = "Stops the virtual CPUs. Memory, disk and ports stay until `knaller resume`.",
       .flags = {all_flag("Every VM that runs"), name_flag()},
       .names = Names::kVm,
       .most = -1},
      {.path = "resume",
       .aliases = {"unpause"},
       .summary = "Let paused VMs go on",
       .arguments = "NAME…",
       .flags = {all_flag("Every VM that is paused"), name_flag()},
       .names = Names::kVm,
       .most = -1},
      rollback_command(),
      {.path = "restart",
       .summary = "Stop VMs and start them again",
       .arguments = "NAME…",
       .description = "The disk, the ports and the configuration stay.",
       .flags = {all_flag("Every VM that runs"),
                 {.name = "timeout",
                  .letter = 't',
                  .value = "TIME",
                  .help = "How long the guest may take before it is ended (default: 10s)"},
                 {.name = "force", .letter = 'f', .help = "End it at once"},
                 {.name = "no-wait", .help = "Return as soon as the guest runs, not when it is ready"},
                 {.name = "wait-timeout",
                  .value = "TIME",
                  .help = "How long it may take to be ready (default: 2m)"},
                 name_flag()},
       .names = Names::kVm,
       .most = -1},
      {.path = "ls",
       .aliases = {"list", "ps"},
       .summary = "List VMs",
       .description = "Shows VMs with their state. Stopped ones need --all; crashed and broken ones are "
                      "always shown, with "
                      "the reason.\n\n"
                      "FORMAT is text with fields in double braces, one line a VM: {{.Name}} {{.Status}} "
                      "{{.Reason}} {{.Age}} "
                      "{{.CPUs}} {{.Memory}} {{.Ports}} {{.Image}} {{.Engine}} {{.EngineVersion}} "
                      "{{.Network}} {{.SSHPort}} "
                      "{{.Snapshot}} {{.UUID}} {{.Created}} {{.Started}} {{.Directory}} {{.PID}}; {{json .}} "
                      "is the whole VM; "
                      "\\t and \\n are a tab and a new line; 'table ' in front makes a table with headings.",
       .flags = {{.name = "all", .letter = 'a', .help = "Stopped VMs too"},
                 {.name = "format", .value = "FORMAT", .help = "Print this for each VM"}},
       .examples = {{"knaller ls -a", ""}, {"knaller ls --format '{{.Name}}\\t{{.SSHPort}}'", ""}}},
      {.path = "inspect",
       .summary = "Print everything known about VMs, as JSON",
       .arguments = "NAME…",
       .description = "One name prints one object; several print them in a list under 'results'.",
       .flags = {name_flag()},
       .examples = {{"knaller inspect web | jq .ports", ""}},
       .names = Names::kVm,
       .most = -1},
      {.path = "logs",
       .summary = "Show the console of a VM",
       .arguments = "NAME",
       .description = "Works for VMs that have ended too, and then says how they ended.",
       .flags = {{.name = "follow", .letter = 'f', .help = "Go on until the VM ends or Ctrl-C"},
                 {.name = "lines", .letter = 'n', .value = "N", .help = "The last N lines only"},
                 {.name = "tail", .value = "N", .canonical = "lines"},
                 {.name = "engine", .help = "The engine's log instead of the guest's console"},
                 name_flag()},
       .examples = {{"knaller logs -f -n 20 web", ""}},
       .names = Names::kVm,
       .most = 1},
  };
}

}  // namespace knaller::cli
