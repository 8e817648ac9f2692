// The pause lease: one holder at a time, the others wait their turn. The holder's connection is the lease;
// when it ends before the lease was given back, a VM that the holder paused, and that was not paused before,
// is resumed here: again and again until the engine has done it. Pure bookkeeping: what talks to the engine
// and to the connections is passed in.
#ifndef KNALLER_MONITOR_LEASES_H_
#define KNALLER_MONITOR_LEASES_H_

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "knaller/watch.h"
#include "monitor/loop.h"

namespace knaller::monitor {

using ConnectionId = uint64_t;

struct LeaseActions {
  // Pauses or resumes the VM; `done` is called later, on the loop's thread, unless the engine ends first.
  std::function<void(bool pause, std::function<void(const std::optional<Error>&)> done)> set_paused;
  std::function<void(ConnectionId, const nlohmann::json&)> reply;
  std::function<void(ConnectionId, const Error&)> refuse;
  std::function<void(VmEventKind kind, const std::string& what)> record;  // for the VM's event log
  std::function<void()> on_free;                                          // nobody holds it and nobody waits
  // It was resumed here, for a holder that is gone, after that long.
  std::function<void(std::chrono::microseconds stood)> on_undone;
};

class Leases {
 public:
  Leases(Loop& loop, LeaseActions actions);
  ~Leases();

  void request(ConnectionId connection, std::string verb, pid_t pid);
  void pause(ConnectionId connection);
  void resume(ConnectionId connection);
  void release(ConnectionId connection, bool leave_paused);
  void connection_ended(ConnectionId connection);
  // A new engine, or the end: nothing is paused, every holder and waiter is told that its engine has ended.
  void engine_ended();

  bool paused() const { return paused_; }
  bool free() const { return !holder_; }
  // The holder's connection has ended and the engine has not yet resumed.
  bool abandoned() const { return holder_ && holder_->abandoned; }
  // "snapshot (pid 123)"; empty when nobody holds it.
  std::string holder() const;
  // Why the VM that should run again does not; empty otherwise.
  const std::string& stuck_reason() const { return stuck_reason_; }
  // Of the last snapshot that paused the VM, whatever became of it afterwards.
  const std::optional<VmStats::Snapshot>& last_snapshot() const { return last_snapshot_; }

 private:
  struct Holder {
    ConnectionId connection = 0;
    std::string verb;
    pid_t pid = 0;
    bool was_paused = false;
    bool pausing = false;    // a pause was sent to the engine
    bool abandoned = false;  // its connection has ended
    Loop::Clock::time_point since{};
  };

  bool holds(ConnectionId connection);
  void change(ConnectionId connection, bool pause);
  void undo_abandoned();
  std::chrono::microseconds became(bool paused);
  void finish();
  void grant_next();

  Loop& loop_;
  LeaseActions actions_;
  std::optional<Holder> holder_;
  std::deque<Holder> waiting_;
  bool paused_ = false;
  Loop::Clock::time_point paused_since_{};
  SystemTime paused_at_{};
  std::optional<VmStats::Snapshot> last_snapshot_;
  std::string stuck_reason_;
  Loop::Timer retry_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_LEASES_H_
