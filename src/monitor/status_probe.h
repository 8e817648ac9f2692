// Asks an engine whether its guest is paused, for whoever wants to know the VM's status: one question at a
// time, whose answer goes to everybody who asks meanwhile. Ends with its engine. The event loop's thread
// only.
#ifndef KNALLER_MONITOR_STATUS_PROBE_H_
#define KNALLER_MONITOR_STATUS_PROBE_H_

#include <functional>
#include <string>
#include <vector>

#include "monitor/engine_worker.h"
#include "monitor/leases.h"
#include "monitor/loop.h"
#include "monitor/vm_state.h"

namespace knaller::monitor {

// An engine that takes longer for GET / is stuck.
inline constexpr std::chrono::seconds kProbeTime{1};

class StatusProbe {
 public:
  using Answer = std::function<void(ConnectionId, RunState state, const std::string& reason)>;
  // The worker must not deliver an answer once the probe has ended: end both together.
  StatusProbe(Loop& loop, Answer answer) : loop_(loop), answer_(std::move(answer)) {}
  StatusProbe(const StatusProbe&) = delete;
  StatusProbe& operator=(const StatusProbe&) = delete;

  void ask(EngineWorker& worker, ConnectionId connection);
  void forget(ConnectionId connection);
  // Whoever waits hears this instead.
  void answer_all(RunState state, const std::string& reason);

 private:
  void on_answer(const std::string& state, const std::optional<Error>& error);

  Loop& loop_;
  Answer answer_;
  std::vector<ConnectionId> waiting_;
  bool under_way_ = false;
  Loop::Timer timer_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_STATUS_PROBE_H_
