// What processes use, by the kernel's bookkeeping in /proc. Cheap by choice: smaps_rollup, the only place
// that knows about sharing, walks all page tables (some 40 ms for a GiB in pages of 4 KiB), and is read only
// when it is asked for.
//
// A process may end at any time: what it used can then no longer be read, and counts as nothing.
#ifndef KNALLER_VM_LIFE_PROCESS_USE_H_
#define KNALLER_VM_LIFE_PROCESS_USE_H_

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knaller/watch.h"

namespace knaller::vm {

// Of texts of /proc. Pure.
struct ResidentMemory {
  uint64_t private_bytes = 0;
  uint64_t shared_bytes = 0;
};
std::optional<ResidentMemory> parse_status(std::string_view status);  // /proc/PID/status
std::optional<uint64_t> parse_pss(std::string_view smaps_rollup);     // /proc/PID/smaps_rollup
std::optional<VmStats::Disk> parse_io(std::string_view io);           // /proc/PID/io
std::vector<pid_t> parse_children(std::string_view children);         // /proc/PID/task/TID/children
std::string parse_control_group(std::string_view cgroup);  // /proc/PID/cgroup: of version 2, or empty
// io.stat of a control group: the operations on all devices.
struct Operations {
  uint64_t reads = 0;
  uint64_t writes = 0;
};
Operations parse_io_stat(std::string_view io_stat);

// The processes of a VM.
struct VmProcesses {
  std::vector<pid_t> engine;   // and what it has started: knaller-qemu's QEMU
  std::vector<pid_t> helpers;  // its monitor and what else that has started
};
// `engine` is 0 or a child of the monitor; one that no longer is, is left out.
VmProcesses processes_of(pid_t monitor, pid_t engine);

using CpuTimes = std::map<pid_t, std::chrono::nanoseconds>;
// Adds the time of each process to `times`, those that have ended left out.
ProcessUse measure(const std::vector<pid_t>& processes, bool pss, CpuTimes& times);
// Processor time since `before`; of a process that is new, all of it.
std::chrono::nanoseconds time_since(const CpuTimes& before, const CpuTimes& now,
                                    const std::vector<pid_t>& processes);

// Fill in what was counted per second since `before`, `interval` ago, which is longer than nothing. A counter
// that went back, since a process with its share of the sum has ended, has no rate.
void add_rates(VmStats::Disk& now, const VmStats::Disk& before, std::chrono::nanoseconds interval);
void add_rates(VmStats::Network& now, const VmStats::Network& before, std::chrono::nanoseconds interval);

// Throws kPermission where this user may not know.
VmStats::Disk measure_disk(const VmProcesses& processes);
// By the device of that name in the engine's network namespace; nothing when there is none.
std::optional<VmStats::Network> measure_network(const VmProcesses& processes, const std::string& device);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_PROCESS_USE_H_
