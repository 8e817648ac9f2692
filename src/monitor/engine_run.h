// One life of an engine, from clone to end: its process, its console and logs, its API. A reboot of the guest
// is the next one. The event loop's thread only.
#ifndef KNALLER_MONITOR_ENGINE_RUN_H_
#define KNALLER_MONITOR_ENGINE_RUN_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "monitor/capped_log.h"
#include "monitor/console.h"
#include "monitor/engine_process.h"
#include "monitor/engine_worker.h"
#include "monitor/loop.h"
#include "monitor/paced_input.h"
#include "monitor/spec.h"
#include "monitor/vm_directory.h"
#include "store/layout.h"

namespace knaller::monitor {

// What outlives a single engine.
struct EngineLogs {
  // Bytes kept free for each, for the guest's last words when the host's disk is full.
  static constexpr uint64_t kRoom = 64 << 10;

  CappedLog console;
  CappedLog engine;
  CappedLog events;
  Tail console_tail;
  Tail engine_tail;

  explicit EngineLogs(int vm_directory)
      : console(vm_directory, layout::kConsoleLog,
                {.rate = {.burst = 8 << 20, .per_second = 128 << 10}, .ahead = kRoom}),
        engine(vm_directory, layout::kEngineLog,
               {.rate = {.burst = 1 << 20, .per_second = 16 << 10}, .ahead = kRoom}),
        events(vm_directory, layout::kEvents,
               {.begin = CappedLog::Begin::kAppend, .limit = 1 << 20, .whole = true, .ahead = kRoom}) {}
  void add_console(std::string_view text);
  void add_engine(std::string_view text);
  // Puts what was said last into the logs, even when much before it was left out.
  void end_gaps();
  // The last lines of both that explain a failure; empty when there are none.
  std::string explanation() const;
};

struct EngineCallbacks {
  std::function<void(const std::optional<Error>&)>
      on_executing;  // the engine's program runs, or why it does not
  std::function<void(std::string_view)> on_console;
  std::function<void(const ConsoleMarkers&)> on_marker;  // when they have changed
  std::function<void(ExitStatus)> on_ended;  // its output was read to the end; may destroy the run
};

class EngineRun {
 public:
  // Clones the engine; this process must have one thread. `network`: nothing without one.
  EngineRun(Loop& loop, const VmDirectory& directory, const LaunchSpec& spec,
            const std::optional<EngineNetwork>& network, int control_group, EngineLogs& logs,
            EngineCallbacks callbacks);
  // An engine that still lives is killed and reaped.
  ~EngineRun();
  EngineRun(const EngineRun&) = delete;
  EngineRun& operator=(const EngineRun&) = delete;

  pid_t pid() const { return process_.child().pid(); }
  int pidfd() const { return process_.child().pidfd(); }
  const net::VmNamespaces& namespaces() const { return process_.namespaces(); }
  bool ended() const { return status_.has_value(); }
  std::chrono::system_clock::time_point since() const { return since_; }
  const ConsoleMarkers& markers() const { return scanner_.markers(); }
  EngineWorker& worker() { return *worker_; }
  void kill();
  // The guest runs: from here on the engine may be the guest's.
  void forbid_execution();

 private:
  void watch_all();
  void on_gate();
  void listen_to_refusals();
  void on_call();
  void take_console(std::string_view text);
  void on_process_end();
  void unwatch_all();

  Loop& loop_;
  EngineLogs& logs_;
  EngineCallbacks callbacks_;
  UniqueFd log_fifo_;
  Pipe console_;
  Pipe errors_;
  std::optional<PacedInput> console_input_;
  std::optional<PacedInput> errors_input_;
  std::optional<PacedInput> log_input_;
  EngineProcess process_;
  std::optional<CallGuard> guard_;
  Loop::Watch gate_watch_;
  Loop::Watch calls_watch_;
  Loop::Watch end_watch_;
  std::unique_ptr<EngineWorker> worker_;
  ConsoleScanner scanner_;
  CallFilter filter_;
  bool ending_ = false;
  std::optional<ExitStatus> status_;
  std::chrono::system_clock::time_point since_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ENGINE_RUN_H_
