// Commands that watch VMs: what they use, how they end, what happens to them.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {
namespace {

Command stats_command() {
  return {
      .path = "stats",
      .summary = "Show what running VMs use: processors, memory, network, disk",
      .arguments = "[NAME…]",
      .description =
          "Of all running VMs, or those named. One sample, with percentages over 200 ms; with --stream one "
          "after the other until Ctrl-C, each over the time since the last.\n\n"
          "CPU is in percent of one processor. MEMORY is what the engine's processes hold for themselves, "
          "SHARED what they have mapped of files that others may have mapped, too, GUEST the size of the "
          "guest's memory. The VM's monitor and pasta are apart, under HELPERS. NET IN and NET OUT are as "
          "the guest sees them. DISK READ is what had to come from storage, DISK WRITTEN what goes there. "
          "All but CPU, MEMORY and SHARED counts since the engine's start, which is also what UPTIME is: "
          "the VM's last start or reboot. PAUSED is how long the last snapshot had the guest stand still.\n\n"
          "FORMAT has the fields {{.Name}} {{.CPU}} {{.Memory}} {{.Shared}} {{.PSS}} {{.Guest}} "
          "{{.HelperCPU}} {{.HelperMemory}} {{.NetIn}} {{.NetOut}} {{.DiskRead}} {{.DiskWritten}} "
          "{{.Paused}} {{.Reboots}} {{.Uptime}} {{.Remarks}}; see `knaller ls`.",
      .flags = {{.name = "stream", .letter = 's', .help = "Go on until Ctrl-C"},
                {.name = "interval",
                 .letter = 'i',
                 .value = "TIME",
                 .help = "With --stream: between two samples (default: 1s; at least 100ms)",
                 .convert = as_time,
                 .only_with = "stream",
                 .why = "without it there is one sample"},
                {.name = "pss",
                 .help = "The share of each page that is the VM's, too; slow: some 40 ms of processor time "
                         "for each GiB"},
                {.name = "format", .value = "FORMAT", .help = "Print this for each VM"}},
      .examples = {{"knaller stats", ""},
                   {"knaller stats --stream --interval 5s web", ""},
                   {"knaller stats --stream --json | jq -c '[.name, .engine.cpu_percent]'",
                    "One object a line, for each sample and VM"}},
      .names = Names::kVm,
      .most = -1,
      .run = cmd_stats};
}

Command wait_command() {
  return {
      .path = "wait",
      .summary = "Wait until VMs have ended, run, or are ready",
      .arguments = "NAME…",
      .description =
          "Prints each VM with its state as soon as it is in the one waited for: `stopped` (the default; it "
          "has ended, in whichever way), `running` (its guest runs and is not paused) or `ready` (its SSH "
          "server answers or, without a network, the guest has said so on its console). All are waited for, "
          "or with --any one. A VM that is being made may be waited for.\n\n"
          "The exit code is 0 when all are in that state, 12 when one that ended has crashed, 7 when the "
          "time is over, 3 for a name that no VM has, also when it was removed before it was running or "
          "ready.",
      .flags = {{.name = "for",
                 .value = "STATE",
                 .help = "stopped (default), running or ready",
                 .names = Names::kWords,
                 .words = "stopped running ready",
                 .convert = as_word},
                {.name = "any", .help = "Wait for one of them, not for all"},
                {.name = "timeout", .value = "TIME", .help = "Wait no longer than this", .convert = as_time},
                name_flag()},
      .examples = {{"knaller wait job-1 job-2", "Until both have ended"},
                   {"knaller wait --any --timeout 10m job-1 job-2", ""},
                   {"knaller start -d --no-wait web && knaller wait --for ready web", ""}},
      .names = Names::kVm,
      .most = -1,
      .run = cmd_wait};
}

Command events_command() {
  return {
      .path = "events",
      .summary = "Show what happened to VMs, and what happens",
      .arguments = "[NAME…]",
      .description =
          "One line an event, in the order of time: when, which VM, what, and more about it. What is one of "
          "started, ready, rebooted, paused, resumed, changed, network_lost, network_restored, warning, "
          "stopped and crashed; with --follow also created, replaced (by a rollback) and removed. A VM that "
          "is removed takes its past along.\n\n"
          "With --follow, VMs that come later are followed, too, and a NAME need not be there yet.",
      .flags = {{.name = "follow", .letter = 'f', .help = "Go on until Ctrl-C"},
                {.name = "since",
                 .value = "TIME",
                 .help = "Leave out what is older: a time as in 2026-11-23T09:26:15Z, or how long ago, as in "
                         "10m"}},
      .examples = {{"knaller events --since 1h", ""},
                   {"knaller events -f --since 0 --json | jq -r 'select(.kind == \"crashed\") | .vm'",
                    "One object a line"}},
      .names = Names::kVm,
      .most = -1,
      .run = cmd_events};
}

}  // namespace

std::vector<Command> watch_commands() {
  return {stats_command(), wait_command(), events_command()};
}

}  // namespace knaller::cli
