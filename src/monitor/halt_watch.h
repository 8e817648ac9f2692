// Looks whether a guest whose console says that it has halted really has: its processors must sleep without
// being woken once: for 3 s while its network is knocked at, for 15 s without a network, and for 0.5 s when
// it was asked to stop. Its words alone never end a guest. The event loop's thread only.
#ifndef KNALLER_MONITOR_HALT_WATCH_H_
#define KNALLER_MONITOR_HALT_WATCH_H_

#include <functional>

#include "base/fd.h"
#include "monitor/loop.h"
#include "monitor/vcpu_activity.h"

namespace knaller::monitor {

// What one look saw, and what follows from all of them. Pure.
class HaltEvidence {
 public:
  enum class Verdict { kOpen, kHalted, kAlive };
  // `needed`: how many looks in a row must have found it asleep. Looks are counted, not time: while the guest
  // or the watcher was frozen, nothing was seen.
  Verdict add(VcpuActivity::Since since, int needed);
  // It was not looked at for a while.
  void interrupt() { asleep_ = 0; }
  int asleep() const { return asleep_; }  // looks in a row

 private:
  int asleep_ = 0;
  int woken_ = 0;
  int looks_ = 0;
};

struct HaltFacts {
  bool may_run = false;     // not paused: a guest that may not run proves nothing
  bool stop_asked = false;  // somebody waits for its end: less evidence will do
  // Sends the guest something that wakes it, by a socket that is to stay a while; none: nothing leads there.
  std::function<UniqueFd()> knock;
};

class HaltWatch {
 public:
  HaltWatch(Loop& loop, pid_t engine, std::function<HaltFacts()> facts,
            std::function<void(HaltEvidence::Verdict)> on_verdict);  // called once; may destroy the watch
  HaltWatch(const HaltWatch&) = delete;
  HaltWatch& operator=(const HaltWatch&) = delete;

 private:
  void look();

  Loop& loop_;
  std::function<HaltFacts()> facts_;
  std::function<void(HaltEvidence::Verdict)> on_verdict_;
  VcpuActivity activity_;
  HaltEvidence evidence_;
  UniqueFd knock_;
  Loop::Timer timer_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_HALT_WATCH_H_
