// The launcher's side of a start. The constructor starts a monitor, which waits; begin() has it start
// everything else. Until commit() the end of this process, or of the Launch, undoes all of it. After commit()
// the VM needs nobody.
//
//   Launch launch(monitor_binary, name);
//   … prepare the VM's directory, while the monitor's program is loaded …
//   launch.begin(spec, deadline);
//   while (auto event = launch.next_event(deadline)) { … ready? … }
//   launch.commit(deadline);
//
// One thread at a time. Failures are knaller::Error; what the monitor reports arrives with its code, hint and
// contexts.
#ifndef KNALLER_MONITOR_LAUNCH_H_
#define KNALLER_MONITOR_LAUNCH_H_

#include <chrono>
#include <deque>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/process.h"
#include "monitor/exit_record.h"
#include "monitor/spec.h"

namespace knaller::monitor {

struct LaunchEvent {
  enum class Kind {
    kConsole,  // `text` is a piece of the guest's console
    kReady,    // the console showed the line "knaller: ready"
    kReboot,   // the guest rebooted; the monitor starts the engine again
    kNote,     // `text` is something that the user should know
    kEnded,    // the VM has ended; `exit` says how, `text` holds the last console and engine log lines
  };
  Kind kind = Kind::kConsole;
  std::string text;
  ExitRecord exit;
};

class Launch {
 public:
  using PhaseSink = std::function<void(std::string_view phase, std::chrono::microseconds duration)>;

  // Starts the program without waiting for it. `name` is the VM's, for those who look at the processes.
  // kUnsupported on a kernel that lacks a system call that the jail needs.
  Launch(const std::string& monitor_binary, const std::string& name);
  // Over a connection to a monitor that waits already.
  explicit Launch(UniqueFd monitor) : socket_(std::move(monitor)) {}
  Launch(Launch&& other) noexcept;
  Launch& operator=(Launch&& other) noexcept;
  // Not committed: the monitor undoes everything, and the destructor waits (at most 10 s) until it has.
  ~Launch();

  // The monitor's program runs, and waits for begin(), which asks for this itself.
  void await_monitor(const Deadline& deadline);
  // Once. Returns when every request was answered with success, the network is up and the guest runs.
  // Otherwise throws the monitor's error, whose hint ends with the console and engine log lines that explain
  // it; what is not undone by then is undone once the Launch has been destroyed.
  void begin(const LaunchSpec& spec, const Deadline& deadline, const PhaseSink& on_phase = {});

  // With the leased host ports filled in; nothing without network.
  const std::optional<net::Plan>& network() const { return network_; }
  pid_t monitor_pid() const { return monitor_pid_; }
  pid_t engine_pid() const { return engine_pid_; }

  // Readable when there may be an event that next_event() has not seen: call that until it has none before
  // polling.
  int event_fd() const { return socket_.get(); }
  // Nothing when the deadline passes first. A monitor that went away is kEngineDied.
  std::optional<LaunchEvent> next_event(const Deadline& deadline);

  // The point of no return: the directory has its final name, durably, and the VM goes on without us.
  void commit(const Deadline& deadline);
  // Tied VMs, after commit: the connection whose end (also by SIGKILL of this process) ends the VM.
  UniqueFd take_tie();

 private:
  bool read_message(nlohmann::json& message, const Deadline& deadline);
  void await_started(const Deadline& deadline, const PhaseSink& on_phase);
  std::string console_hint() const;
  void queue_event(const nlohmann::json& message);
  void undo() noexcept;

  Child first_;  // forks the monitor and ends
  UniqueFd socket_;
  std::string buffer_;
  std::deque<LaunchEvent> events_;
  std::optional<net::Plan> network_;
  pid_t monitor_pid_ = 0;
  pid_t engine_pid_ = 0;
  bool committed_ = false;
};

// Unties: the VM goes on when the connection ends. Waits for the monitor's answer.
void release_tie(int tie_fd, const Deadline& deadline);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_LAUNCH_H_
