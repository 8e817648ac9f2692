// Has a guest's clock set after it stood still without a command that sets it: because the host slept, or
// because the monitor itself resumed the guest for a command that is gone. On the event loop's thread.
//
// The setting takes SSH and its libraries, so it is done by a process of its own (this program, with
// kSetClockFlag), which ends with this object. It is tried once for each time; what goes wrong becomes a
// warning.
#ifndef KNALLER_MONITOR_CLOCK_KEEPER_H_
#define KNALLER_MONITOR_CLOCK_KEEPER_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/process.h"
#include "monitor/loop.h"

namespace knaller::monitor {

// Its argument is the VM's name; its working directory the VM's.
inline constexpr char kSetClockFlag[] = "--set-guest-clock";
int set_clock_main(const std::string& name);

// How long the host slept: by how much more the clock that counts sleep (CLOCK_BOOTTIME) has advanced than
// the one that does not (CLOCK_MONOTONIC).
class HostSleep {
 public:
  using Time = std::chrono::nanoseconds;

  HostSleep(Time with_sleep, Time without) : slept_(with_sleep - without) {}
  // Since the last look.
  Time look(Time with_sleep, Time without) {
    const Time before = std::exchange(slept_, with_sleep - without);
    return slept_ - before;
  }

 private:
  Time slept_;
};

class ClockKeeper {
 public:
  struct Actions {
    std::function<bool()> guest_runs;  // one that is paused gets its clock set by whoever resumes it
    std::function<Child(int output)> set;
    std::function<void(const std::string& what)> warn;
  };
  // The `set` of a real VM.
  static Child begin_setting(const std::string& vm, int output);

  ClockKeeper(Loop& loop, Actions actions);
  ClockKeeper(const ClockKeeper&) = delete;
  ClockKeeper& operator=(const ClockKeeper&) = delete;

  // The guest stood still for that long, and runs again.
  void stood_still(std::chrono::nanoseconds time, const std::string& why);

 private:
  struct Setting {
    Child child;
    UniqueFd output;
    std::string why;
    Loop::Watch end;
    Loop::Timer limit;
  };

  void watch_for_sleep();
  void on_clock_change();
  void set(const std::string& why);
  void on_set();

  Loop& loop_;
  Actions actions_;
  UniqueFd changes_;  // of the host's clock: each end of a sleep is one
  HostSleep sleep_;
  std::optional<Setting> setting_;
  std::optional<std::string> next_;  // it stood still again meanwhile
  Loop::Watch watch_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CLOCK_KEEPER_H_
