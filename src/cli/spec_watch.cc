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
          "Of all running VMs, or those named. One sample, over 200 ms; with --stream one sample after the "
          "other until Ctrl-C, each over the time since the one before.\n\n"
          "CPU is in percent of one processor. MEMORY is what the engine's processes hold for themselves, "
          "SHARED what they have mapped of files that others may have mapped too, GUEST the size of the "
          "guest's memory. HELPERS is the memory of the VM's monitor and pasta. NET IN and NET OUT are what "
          "goes through the network each second, as the guest sees it. DISK READ is what has to come from "
          "storage each second, DISK WRITTEN what goes there. UPTIME counts from the engine's start: the "
          "VM's last start or reboot. PAUSED is how long the last snapshot paused the guest.\n\n"
          "FORMAT has the fields {{.Name}} {{.CPU}} {{.Memory}} {{.Shared}} {{.PSS}} {{.Guest}} "
          "{{.HelperCPU}} {{.HelperMemory}} {{.NetInRate}} {{.NetOutRate}} {{.DiskReadRate}} "
          "{{.DiskWrittenRate}} {{.Paused}} {{.Reboots}} {{.Uptime}} {{.Remarks}} and, since the engine's "
          "start, {{.NetIn}} {{.NetOut}} {{.DiskRead}} {{.DiskWritten}}; see `knaller ls`.",
      .flags = {{.name = "stream", .letter = 's', .help = "Keep printing until Ctrl-C"},
                {.name = "interval",
                 .letter = 'i',
                 .value = "TIME",
                 .help = "With --stream: between two samples (default: 1s; at least 100ms)",
                 .convert = as_time,
                 .only_with = "stream",
                 .why = "without it there is one sample"},
                {.name = "pss",
                 .help =
                     "Also show the proportional set size; slow: some 40 ms of processor time for each GiB"},
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
          "Prints each VM with its state as soon as it reaches the one waited for: `stopped` (the default; "
          "it has ended, in any way), `running` (its guest runs and is not paused) or `ready` (its SSH "
          "server answers or, without a network, the guest has said so on its console). Waits for all, or "
          "with --any for one. A VM that is being created can be waited for.\n\n"
          "The exit code is 0 if all reached that state, 12 if one that ended has crashed, 7 after the "
          "timeout, and 3 if a name does not exist or the VM was removed before it was running or ready.",
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
          "One line for each event, in the order of time: when, which VM, which kind, and more about it. The "
          "kind is one of started, ready, rebooted, paused, resumed, changed, network_lost, "
          "network_restored, warning, stopped and crashed; with --follow also created, replaced (by a "
          "rollback) and removed. The events of a VM are removed together with it.\n\n"
          "With --follow, VMs that are created later are followed too, and a NAME need not exist yet.",
      .flags = {{.name = "follow", .letter = 'f', .help = "Keep printing until Ctrl-C"},
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
