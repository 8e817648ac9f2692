// A monitor: starts what the launcher asks for, hands over, watches, and ends with its VM.
//
// What happens when is decided in life.h, without touching anything. The monitor turns what its descriptors
// and timers say into events (dispatch), and carries out the effects of a transition (carry_out), in one
// place:
//
//   launcher, engine, network, requests, timers  ──event──>  dispatch  ──>  life::step
//        ^                                                                      │
//        └────────── carry_out: engine, network, files, answers  <──effects──  enter
//
// Everything happens on the event loop's thread. Only calls of the engine's API may take long: they are the
// worker's.
//
// For what a VM has besides its engine (its network, its control group): begin_launch() makes it,
// before_engine() readies it for an engine, after_engine() takes back what was one engine's, release_vm()
// what was the VM's, set() changes it while the VM runs.
#ifndef KNALLER_MONITOR_MONITOR_H_
#define KNALLER_MONITOR_MONITOR_H_

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "monitor/clock_keeper.h"
#include "monitor/engine_run.h"
#include "monitor/exit_record.h"
#include "monitor/halt_watch.h"
#include "monitor/leases.h"
#include "monitor/life.h"
#include "monitor/life_view.h"
#include "monitor/line_peer.h"
#include "monitor/loop.h"
#include "monitor/network_keeper.h"
#include "monitor/server.h"
#include "monitor/spec.h"
#include "monitor/status_probe.h"
#include "monitor/vm_directory.h"
#include "monitor/vm_group.h"

namespace knaller {
class JsonReader;
}

namespace knaller::monitor {

class Monitor {
 public:
  Monitor(Loop& loop, UniqueFd handover);
  // Until the VM has ended or its start was undone.
  void run();
  // SIGTERM or SIGINT: the guest is asked to shut down; before commit everything is undone.
  void on_terminate();

 private:
  using Requests = std::vector<firecracker::Request>;
  using Time = std::chrono::steady_clock::time_point;

  // What ends with the engine.
  struct Engine {
    std::unique_ptr<EngineRun> run;
    std::unique_ptr<StatusProbe> probe;
    std::unique_ptr<HaltWatch> halt_watch;
    std::unique_ptr<ClockKeeper> clock;
    bool said_ready = false;    // the guest, on its console
    unsigned times_halted = 0;  // that the console has said so
  };
  // What ends with the state that it was armed in.
  struct Clocks {
    Loop::Timer natural_end;
    Loop::Timer last_call;
    Loop::Timer stop;
  };

  // Transitions (monitor.cc). One at a time: an event that comes of an effect waits until all effects are
  // done.
  void dispatch(life::Event event);
  void enter(const life::Transition& transition);
  void carry_out(const life::BeginLaunch&);
  void carry_out(const life::StartAgain&);
  void carry_out(const life::ForbidExecution&);
  void carry_out(const life::KillEngine&);
  void carry_out(const life::AwaitNaturalEnd&);
  void carry_out(const life::Record& record);
  void carry_out(const life::TellStarted&);
  void carry_out(const life::Publish&);
  void carry_out(const life::TellCommitted&);
  void carry_out(const life::TellUntied&);
  void carry_out(const life::TellError& told);
  void carry_out(const life::RefuseCommit& refusal);
  void carry_out(const life::AskGuest&);
  void carry_out(const life::AskGuestAgain&);
  void carry_out(const life::ArmStop& stop);
  void carry_out(const life::EndUncommitted& end);
  void carry_out(const life::End& end);
  void carry_out(const life::Undo& undo);
  void carry_out(const life::LeaveLoop&);

  // The start (monitor_start.cc)
  void on_handover_line(const std::string& line);
  life::Event event_of(const std::string& line);
  void begin_launch();
  LeaseActions lease_actions();
  void publish();
  void attempt_start(const std::function<void()>& start);
  void start_engine(const Requests& requests);
  std::optional<EngineNetwork> before_engine();
  void attach_network();
  void on_executing(const std::optional<Error>& error, const Requests& requests);
  void send_requests(const Requests& requests);
  void report_engine(const std::optional<Error>& error);
  void report_phase(std::string_view phase, Time since);

  // What the engine does, and the end (monitor_engine.cc)
  void on_console(std::string_view text);
  void on_marker(const ConsoleMarkers& markers);
  void watch_for_halt();
  HaltFacts halt_facts() const;
  void on_engine_end(ExitStatus status);
  void after_engine();
  bool reboots_too_often();
  void note_end(const Verdict& verdict, const ExitStatus& status);
  void release_vm();
  void leave_directory();
  void leave_staged_directory();
  void attempt(const std::function<void()>& step);
  void record_event(VmEventKind kind, const std::string& what);

  // Requests of other commands (monitor_requests.cc)
  void on_request(ConnectionId connection, const nlohmann::json& request);
  void serve(life::Op op, ConnectionId connection, const JsonReader& request);
  void on_connection_end(ConnectionId connection);
  void answer_status(ConnectionId connection);
  void answer_stats(ConnectionId connection);
  void set(ConnectionId connection, const JsonReader& request);
  void tell_changed(ConnectionId connection, const RunningChange& change);
  void change_network(const RunningChange& change, const net::Plan& before);
  void restore_network(const net::Plan& before);
  void enter(ConnectionId connection);
  void lease(ConnectionId connection, const JsonReader& request);
  void stop(ConnectionId connection, const JsonReader& request);
  nlohmann::json status_json(RunState state, const std::string& reason) const;
  void set_paused(bool pause, std::function<void(const std::optional<Error>&)> done);
  bool guest_may_run() const;
  std::unique_ptr<ClockKeeper> keep_clock();

  Loop& loop_;
  life::State life_;
  std::deque<life::Event> events_;
  bool dispatching_ = false;
  Clocks clocks_;

  LaunchSpec spec_;
  std::unique_ptr<LinePeer> handover_;
  std::optional<VmDirectory> directory_;
  std::optional<EngineLogs> logs_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Leases> leases_;
  VmGroup group_;
  std::unique_ptr<NetworkKeeper> network_;
  std::optional<Engine> engine_;

  Time began_{};
  Time step_began_{};
  int reboots_ = 0;
  std::deque<Time> recent_reboots_;
  std::vector<ConnectionId> end_waiters_;
  std::optional<ExitRecord> exit_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_MONITOR_H_
