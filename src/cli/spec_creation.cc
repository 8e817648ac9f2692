// Commands that make VMs.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {
namespace {

constexpr std::string_view kAsTaken = "a snapshot is started as it was taken";

std::vector<Flag> creation_flags() {
  std::vector<Flag> flags{
      {.name = "name", .value = "NAME", .help = "The VM's name; one is made up when none is given"},
      {.name = "image",
       .value = "IMAGE",
       .help = "What to boot (default: tiny)",
       .names = Names::kImage,
       .setting = "image",
       .creates = true,
       .not_with = "from-snapshot kernel rootfs",
       .why = "a snapshot is started as it was taken; --kernel and --rootfs take the place of an image"},
      {.name = "cpus",
       .letter = 'c',
       .value = "N",
       .help = "Virtual CPUs (default: 1); 0.5 is one with half a processor's time",
       .convert = as_milli_cpus,
       .least = 10,
       .most = 32'000,
       .setting = "cpus",
       .creates = true},
      {.name = "mem",
       .letter = 'm',
       .value = "SIZE",
       .help = "Memory, in MiB or as in 2G (default: 1024)",
       .convert = as_mebibytes,
       .setting = "mem",
       .creates = true,
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "memory", .value = "SIZE", .canonical = "mem"},
      {.name = "disk",
       .value = "SIZE",
       .help = "Private disk, in MiB or as in 10G (default: the image's)",
       .convert = as_mebibytes,
       .setting = "disk",
       .creates = true,
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "port",
       .letter = 'p',
       .value = "[ADDR:]HOST:GUEST[/udp]",
       .help = "Forward a host port to the guest; ADDR is 127.0.0.1 unless given, HOST 0 takes a free one",
       .repeated = true,
       .convert = as_port,
       .creates = true,
       .not_with = "trust-ports"},
      {.name = "network",
       .value = "MODE",
       .help = "rootless (default) or none",
       .names = Names::kWords,
       .words = "rootless none",
       .convert = as_word,
       .setting = "network",
       .creates = true},
      {.name = "from-snapshot",
       .value = "ID",
       .help = "Start from a snapshot: its memory, devices and disk",
       .names = Names::kSnapshot,
       .creates = true},
      {.name = "disk-only",
       .help = "With --from-snapshot: boot only its disk, cold, with its kernel and settings, on any engine",
       .creates = true,
       .only_with = "from-snapshot"},
      {.name = "force",
       .help = "With --from-snapshot: start despite doubts about CPU, TSC, memory or engine version, but "
               "never despite damage",
       .creates = true,
       .only_with = "from-snapshot"},
      {.name = "trust-ports",
       .help =
           "With --from-snapshot: also open the host ports that an imported snapshot asks for, as for one "
           "that was taken here",
       .creates = true,
       .only_with = "from-snapshot"},
      {.name = "verify",
       .help = "With --from-snapshot: read all of the snapshot first and compare it with its digests",
       .creates = true,
       .only_with = "from-snapshot"},
      {.name = "kernel",
       .value = "FILE",
       .help = "A kernel of your own instead of an image",
       .names = Names::kFile,
       .convert = as_file,
       .creates = true,
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "rootfs",
       .value = "FILE",
       .help = "An ext4 root file system of your own; it is copied",
       .names = Names::kFile,
       .convert = as_file,
       .creates = true,
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "initrd",
       .value = "FILE",
       .help = "An initramfs of your own",
       .names = Names::kFile,
       .convert = as_file,
       .creates = true,
       .only_with = "kernel rootfs",
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "kernel-args",
       .value = "TEXT",
       .help = "More words for the kernel's command line",
       .creates = true,
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "on-reboot",
       .value = "WHAT",
       .help = "When the guest reboots: restart (default) or stop",
       .names = Names::kWords,
       .words = "restart stop",
       .convert = as_word,
       .creates = true,
       .not_with = "from-snapshot",
       .why = kAsTaken},
      {.name = "pasta",
       .value = "FILE",
       .help = "The pasta program to use",
       .names = Names::kFile,
       .setting = "pasta"},
      no_wait_flag(),
      wait_timeout_flag(),
  };
  for (const auto& more : {egress_flags(), engine_flags(), limit_flags()})
    flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

}  // namespace

Command start_command() {
  Command start{
      .path = "start",
      .summary = "Start a VM: a new one, or one that is stopped",
      .arguments = "[NAME…]",
      .description =
          "Makes a VM and starts it. A NAME that exists and is stopped is booted again as it was configured; "
          "options that would configure it are then an error.\n\n"
          "Without --detach the command stays in the foreground: the guest's console goes to standard "
          "output, the first Ctrl-C shuts the VM down, the second ends it. Either way the VM is kept, "
          "stopped, until `knaller rm`.\n\n"
          "What is booted: --kernel and --rootfs, else --image, else KNALLER_IMAGE or the configuration "
          "file, else vmlinux and rootfs.ext4 if both are in knaller's home (where the Go program keeps "
          "them), else the image 'tiny', which is built first if it does not exist.\n\n"
          "A snapshot is checked before anything is touched: its files, format and state, the engine, the "
          "processor, memory, disk space, network and ports. --check prints the checks, starts nothing, and "
          "exits with the code of the first that failed. With --network none a clone of a VM that had a "
          "network keeps its network card, which is then connected to nothing.",
      .flags = creation_flags(),
      .examples = {{"knaller start -d web -p 8080:80",
                    "a VM in the background, its port 80 at 127.0.0.1:8080"},
                   {"knaller start web2 -d --from-snapshot snap_1a2b3c4d", "a copy of a VM as it was"},
                   {"knaller start -d ci --cpus 1.5 --network-bandwidth 10M", "with limits (docs/limits.md)"},
                   {"knaller start --from-snapshot snap_1a2b3c4d --check", "would it start here?"},
                   {"knaller start --rm", "until Ctrl-C, then gone"}},
      .names = Names::kVm,
      .most = -1,
      .run = cmd_start,
  };
  start.flags.push_back({.name = "detach", .letter = 'd', .help = "Leave the VM running in the background"});
  start.flags.push_back({.name = "check",
                         .help =
                             "With --from-snapshot: only check whether it can be started here, and say what "
                             "would be in the way",
                         .creates = true,
                         .only_with = "from-snapshot"});
  start.flags.push_back({.name = "rm",
                         .help = "Remove the VM when it ends or this command does",
                         .not_with = "detach",
                         .why = "with --rm the VM is removed when this command ends"});
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
      .examples =
          {{"knaller run -- uname -a", "a clean machine for one command"},
           {"knaller run --keep --image debian web -- sh -c 'apt-get update && apt-get install -y nginx'",
            "keep the VM for later"}},
      .most = 1,
      .tail = Tail::kAfterDashes,
      .run = cmd_run,
      .failure_code = kExecFailed,
  };
  // It has to wait until the guest is ready.
  std::erase_if(run.flags, [](const Flag& flag) { return flag.name == "no-wait"; });
  run.flags.push_back({.name = "keep", .help = "Keep the VM running afterwards"});
  run.flags.push_back({.name = "rm",
                       .help = "Remove the VM afterwards, which is the default",
                       .not_with = "keep",
                       .why = "run removes the VM unless --keep is given"});
  run.flags.push_back(
      {.name = "tty", .letter = 't', .help = "Give the command a terminal, always", .not_with = "no-tty"});
  run.flags.push_back({.name = "no-tty", .letter = 'T', .help = "Give the command no terminal"});
  run.flags.push_back(
      {.name = "interactive", .letter = 'i', .help = "Connect the input, which is the default"});
  run.flags.push_back({.name = "no-stdin", .letter = 'n', .help = "Give the command no input"});
  run.flags.push_back({.name = "env",
                       .letter = 'e',
                       .value = "K=V",
                       .help = "Set a variable",
                       .repeated = true,
                       .convert = as_variable});
  run.flags.push_back({.name = "workdir", .letter = 'w', .value = "DIR", .help = "Run it in this directory"});
  run.flags.push_back(
      {.name = "user", .letter = 'u', .value = "USER", .help = "Run it as USER (default: root)"});
  return run;
}

}  // namespace knaller::cli
