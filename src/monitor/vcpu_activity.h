// Whether a guest's processors do anything, seen from outside: by the kernel's bookkeeping of the engine's
// vCPU threads. A vCPU that was halted with its interrupts off, which is how Linux ends where nothing powers
// the machine off, sleeps and is never woken again; one that waits for interrupts is woken by each.
//
// Not thread-safe. Throws nothing: what can't be read is no evidence.
#ifndef KNALLER_MONITOR_VCPU_ACTIVITY_H_
#define KNALLER_MONITOR_VCPU_ACTIVITY_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace knaller::monitor {

// Of /proc/PID/task/TID/status. Pure.
struct ThreadState {
  bool asleep = false;
  uint64_t sleeps = 0;  // how often it went to sleep: unchanged in one that is still asleep and was not woken
};
std::optional<ThreadState> parse_thread_status(std::string_view status);
// The thread of a Firecracker or QEMU that runs a vCPU, by its name.
bool is_vcpu_thread(std::string_view name);

class VcpuActivity {
 public:
  // The engine, and what it has started until now: knaller-qemu's QEMU.
  explicit VcpuActivity(pid_t engine);

  enum class Since { kAsleep, kWoken, kUnknown };
  // All of them since the last look; unknown at the first, and where one is running or not to be seen.
  Since look();

 private:
  std::vector<pid_t> processes_;
  std::map<pid_t, uint64_t> sleeps_;  // by thread
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_VCPU_ACTIVITY_H_
