// Calls of the engine's API, off the event loop: an engine that does not answer must not keep the monitor
// from anything else. One thread, one call at a time, in order; results come back on the loop's thread.
//
// It starts no processes (a parent-death signal follows the thread). The monitor clones engines only while no
// worker exists.
#ifndef KNALLER_MONITOR_ENGINE_WORKER_H_
#define KNALLER_MONITOR_ENGINE_WORKER_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "firecracker/client.h"
#include "monitor/loop.h"

namespace knaller::monitor {

class EngineWorker {
 public:
  // Runs on the worker's thread; waits honour the token. Throws Error.
  using Job = std::function<void(const firecracker::Client& client, std::stop_token stop)>;
  // Runs on the loop's thread, unless the worker was destroyed first.
  using Done = std::function<void(const std::optional<Error>& error)>;

  EngineWorker(Loop& loop, int jail_directory, std::string socket_name);
  // Cuts short the call in flight and drops the rest.
  ~EngineWorker();
  EngineWorker(const EngineWorker&) = delete;
  EngineWorker& operator=(const EngineWorker&) = delete;

  void post(Job job, Done done);
  bool idle() const { return pending_.empty(); }
  // How long the oldest call has been waiting for its answer; zero when idle.
  std::chrono::steady_clock::duration oldest_wait() const;

 private:
  struct Result {
    std::optional<Error> error;
  };
  struct Pending {
    Done done;
    std::chrono::steady_clock::time_point since;
  };

  void work(std::stop_token stop);
  void deliver();

  firecracker::Client client_;
  UniqueFd wake_;  // eventfd: there are results
  Loop::Watch watch_;
  std::deque<Pending> pending_;  // the loop's thread only; in the order of the jobs

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_;
  std::deque<Result> results_;
  std::jthread thread_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ENGINE_WORKER_H_
