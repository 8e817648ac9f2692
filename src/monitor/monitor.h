// A monitor's life: start what the launcher asks for, hand over, watch, end.
//
//   starting   the launcher's connection is watched; its end before commit undoes everything
//   running    committed: the VM has its name; leases, stop and wait are served; a guest's reboot starts the
//   engine again stopping   the guest was asked to shut down, or the engine was killed ended      exit.json
//   is written, nothing is left running, whoever waited is told
//
// Everything happens on the event loop's thread. Only calls of the engine's API may take long: they are the
// worker's.
#ifndef KNALLER_MONITOR_MONITOR_H_
#define KNALLER_MONITOR_MONITOR_H_

#include <chrono>
#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "monitor/engine_run.h"
#include "monitor/exit_record.h"
#include "monitor/halt_watch.h"
#include "monitor/leases.h"
#include "monitor/line_peer.h"
#include "monitor/loop.h"
#include "monitor/network_keeper.h"
#include "monitor/server.h"
#include "monitor/spec.h"
#include "monitor/vm_directory.h"

namespace knaller {
class JsonReader;
}

namespace knaller::monitor {

class Monitor {
 public:
  Monitor(Loop& loop, UniqueFd handover);
  // Until the VM has ended or its start was undone.
  void run();
  // SIGTERM: the guest is asked to shut down; before commit everything is undone.
  void on_terminate();

 private:
  enum class Phase { kStarting, kRunning, kEnded };

  // Start (monitor_start.cc)
  void on_handover_line(const std::string& line);
  void on_handover_end();
  void begin_launch(const nlohmann::json& message);
  void start_engine(const std::vector<firecracker::Request>& requests);
  void send_requests(const std::vector<firecracker::Request>& requests);
  void attach_network();
  void on_engine_step(const std::optional<Error>& error);
  void report_started_when_complete();
  void report_phase(std::string_view phase, std::chrono::steady_clock::time_point since);
  void fail_start(const Error& error);
  void undo(const std::optional<Error>& error);
  void commit();
  void untie();

  // What the engine does
  void on_executing(const std::optional<Error>& error, const std::vector<firecracker::Request>& requests);
  void on_console(std::string_view text);
  void on_marker(const ConsoleMarkers& markers);
  void watch_for_halt();
  HaltFacts halt_facts() const;
  void on_halt_verdict(HaltEvidence::Verdict verdict);
  void on_engine_end(ExitStatus status);
  void give_up(const Error& error);
  Verdict start_again();
  void finish(const Verdict& verdict, const ExitStatus& status);
  void leave_directory();

  // Requests of other commands (monitor_requests.cc)
  void on_request(ConnectionId connection, const nlohmann::json& request);
  void on_connection_end(ConnectionId connection);
  void answer_status(ConnectionId connection);
  void set(ConnectionId connection, const JsonReader& request);
  nlohmann::json status_json(std::string_view state, const std::string& reason) const;
  void probe_engine(ConnectionId connection);
  void answer_probes(std::string_view state, const std::string& reason);
  void set_paused(bool pause, std::function<void(const std::optional<Error>&)> done);
  void stop(std::chrono::milliseconds timeout, bool force);
  void ask_guest_to_stop();
  void press_ctrl_alt_del();
  void kill_engine(const std::string& reason, bool as_asked);
  void record_event(const std::string& what);

  Loop& loop_;
  std::unique_ptr<LinePeer> handover_;
  LaunchSpec spec_;
  Phase phase_ = Phase::kStarting;
  std::optional<VmDirectory> directory_;
  std::optional<EngineLogs> logs_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Leases> leases_;
  std::unique_ptr<NetworkKeeper> network_;
  std::unique_ptr<EngineRun> engine_;

  // The start
  std::chrono::steady_clock::time_point began_{};
  std::chrono::steady_clock::time_point step_began_{};
  bool engine_ready_ = false;  // every request was answered with success
  bool network_ready_ = false;
  bool started_ = false;  // and the launcher knows
  std::optional<Error> failure_;
  bool undoing_ = false;
  Loop::Timer natural_end_timer_;

  // The end
  bool stop_asked_ = false;
  bool guest_asked_ = false;
  bool stop_forced_ = false;
  std::string killed_for_;
  Loop::Timer stop_timer_;
  Loop::Timer last_call_timer_;
  std::unique_ptr<HaltWatch> halt_watch_;
  unsigned times_halted_ = 0;  // that the console has said so
  bool stands_still_ = false;
  std::vector<ConnectionId> end_waiters_;
  std::optional<ExitRecord> exit_;

  // Between
  int reboots_ = 0;
  std::deque<std::chrono::steady_clock::time_point> recent_reboots_;
  std::vector<ConnectionId> probes_;
  bool probing_ = false;
  Loop::Timer probe_timer_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_MONITOR_H_
