// The start: from the launcher's request to its commit, and the way back.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/json.h"
#include "monitor/monitor.h"

namespace knaller::monitor {
namespace {

using std::chrono::steady_clock;

// For an engine that hung up on us to end by itself, so that its exit code can be told.
constexpr std::chrono::milliseconds kNaturalEnd{500};

}  // namespace

void Monitor::on_handover_line(const std::string& line) {
  try {
    const Json message = parse_json(line, "the launcher's message", Code::kInvalidArgument);
    const std::string op = JsonReader(message, "the launcher's message", Code::kInvalidArgument).string("op");
    if (op == "launch" && !directory_) return begin_launch(message);
    if (op == "commit") return commit();
    if (op == "untie") return untie();
    fail(Code::kUnsupported, "this monitor does not know the launcher's '{}'", op);
  } catch (const std::exception& exception) {
    if (started_)
      return handover_->send({{"event", "error"}, {"error", error_to_json(error_from(exception))}});
    fail_start(error_from(exception));
  }
}

void Monitor::on_handover_end() {
  if (phase_ == Phase::kRunning) {
    if (!spec_.tied) return;
    stop_asked_ = true;
    return kill_engine("the command that it was tied to has ended", true);
  }
  undoing_ = true;
  if (engine_) return engine_->kill();
  undo(std::nullopt);
}

void Monitor::begin_launch(const Json& message) {
  began_ = steady_clock::now();
  const JsonReader reader(message, "the launch request", Code::kInvalidArgument);
  reader.integer("v", 1, kProtocolVersion);
  spec_ = spec_from_json(reader.object("spec"));
  directory_.emplace(spec_);
  logs_.emplace(directory_->fd());
  leases_ = std::make_unique<Leases>(
      loop_, LeaseActions{.set_paused = [this](bool pause, auto done) { set_paused(pause, std::move(done)); },
                          .reply = [this](ConnectionId connection,
                                          const Json& answer) { server_->reply(connection, answer); },
                          .refuse = [this](ConnectionId connection,
                                           const Error& error) { server_->refuse(connection, error); },
                          .record = [this](const std::string& what) { record_event(what); },
                          .on_free =
                              [this] {
                                if (stop_asked_) ask_guest_to_stop();
                              }});
  server_ = std::make_unique<Server>(
      loop_, directory_->fd(),
      [this](ConnectionId connection, const Json& request) { on_request(connection, request); },
      [this](ConnectionId connection) { on_connection_end(connection); });
  if (spec_.network && !spec_.pasta_binary.empty())
    network_ = std::make_unique<NetworkKeeper>(loop_, spec_.pasta_binary, *spec_.network,
                                               [this](const std::string& what) { record_event(what); });
  report_phase("prepare", began_);
  start_engine(spec_.load.empty() ? spec_.boot : spec_.load);
}

void Monitor::start_engine(const std::vector<firecracker::Request>& requests) {
  engine_ready_ = false;
  network_ready_ = false;
  step_began_ = steady_clock::now();
  std::optional<EngineNetwork> network;
  if (network_) network_->look_at_host();
  if (network_)
    network = EngineNetwork{network_->plan(), network_->host()};
  else if (spec_.network)
    network = EngineNetwork{*spec_.network, {}};
  engine_ = std::make_unique<EngineRun>(
      loop_, *directory_, spec_, network, *logs_,
      EngineCallbacks{
          .on_executing = [this,
                           requests](const std::optional<Error>& error) { on_executing(error, requests); },
          .on_console = [this](std::string_view text) { on_console(text); },
          .on_marker = [this](const ConsoleMarkers& markers) { on_marker(markers); },
          .on_ended = [this](ExitStatus status) { on_engine_end(status); }});
  attach_network();
}

// Beside the engine's own start: pasta takes some 17 ms, and nothing that the engine does needs it.
void Monitor::attach_network() {
  if (!network_) {
    network_ready_ = true;
    return;
  }
  network_->attach(engine_->namespaces(),
                   [this, since = steady_clock::now()](const std::optional<Error>& error) {
                     // After a reboot the VM lives on without network; `ls` says why.
                     if (error && !started_) {
                       Error why = *error;
                       return fail_start(why.in("set up the VM's network"));
                     }
                     report_phase("network", since);
                     network_ready_ = true;
                     report_started_when_complete();
                   });
}

void Monitor::on_executing(const std::optional<Error>& error,
                           const std::vector<firecracker::Request>& requests) {
  if (error) return on_engine_step(error);
  if (network_) network_->filter_is_loaded();
  report_phase("jail", step_began_);
  step_began_ = steady_clock::now();
  const int pidfd = engine_->pidfd();
  engine_->worker().post(
      [pidfd](const firecracker::Client& client, std::stop_token stop) {
        client.wait_until_listening(Deadline::never(stop), pidfd);
      },
      [this, requests](const std::optional<Error>& listening_error) {
        if (listening_error) return on_engine_step(listening_error);
        report_phase("engine", step_began_);
        send_requests(requests);
      });
}

// Without a deadline of its own: the launcher has one, and its end ends this.
void Monitor::send_requests(const std::vector<firecracker::Request>& requests) {
  step_began_ = steady_clock::now();
  engine_->worker().post(
      [requests](const firecracker::Client& client, std::stop_token stop) {
        for (const auto& request : requests) client.apply(request, Deadline::never(stop));
      },
      [this](const std::optional<Error>& error) {
        if (!error && !started_) report_phase(spec_.load.empty() ? "boot" : "load", step_began_);
        on_engine_step(error);
      });
}

void Monitor::on_engine_step(const std::optional<Error>& error) {
  if (!error) {
    engine_->forbid_execution();
    engine_ready_ = true;
    return report_started_when_complete();
  }
  if (!started_) return fail_start(*error);
  kill_engine(fmt::format("it could not be started again after a reboot: {}", error->what()), false);
}

void Monitor::report_started_when_complete() {
  if (!engine_ready_ || !network_ready_ || started_ || failure_) return;
  started_ = true;
  Json message{{"event", "started"}, {"monitor_pid", ::getpid()}, {"engine_pid", engine_->pid()}};
  if (network_) message["network"] = plan_to_json(network_->plan());
  if (network_ && network_->offline()) {
    handover_->send({{"event", "note"}, {"text", "the host has no default route: the guest is offline"}});
  }
  if (network_ && network_->nameless()) {
    handover_->send(
        {{"event", "note"},
         {"text", "the host's /etc/resolv.conf names no server: the guest can look up no names"}});
  }
  record_event("started");
  handover_->send(message);
}

void Monitor::report_phase(std::string_view phase, steady_clock::time_point since) {
  if (started_) return;
  const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - since);
  handover_->send({{"event", "phase"}, {"phase", phase}, {"us", duration.count()}});
}

// The first failure is the one that is told; what follows from the undo is not.
void Monitor::fail_start(const Error& error) {
  if (failure_ || undoing_) return;
  failure_ = error;
  if (!engine_) return undo(error);
  if (error.code() != Code::kEngineDied) return engine_->kill();
  natural_end_timer_ = loop_.after(kNaturalEnd, [this] { engine_->kill(); });
}

// No engine is left. Only then are directory and ports free, so only then is the launcher told.
void Monitor::undo(const std::optional<Error>& error) {
  Json message;
  if (error) {
    Error told = *error;
    // A port that somebody else has is nothing that the guest or its engine could explain.
    const bool explainable = logs_ && error->code() != Code::kBusy;
    const std::string explanation = explainable ? logs_->explanation() : std::string();
    if (!explanation.empty())
      told.with_hint(told.hint().empty() ? explanation : told.hint() + "\n" + explanation);
    message = {{"event", "error"}, {"error", error_to_json(told)}};
  }
  network_.reset();
  engine_.reset();
  if (server_) server_->close();
  try {
    if (directory_ && spec_.remove_on_undo) directory_->remove();
    if (directory_ && !spec_.remove_on_undo) {
      directory_->clear_in_jail("api.sock");
      directory_->clear_in_jail("log");
      // A start that its command gave up leaves the VM as it was; a guest that ended is the VM's last end.
      if (exit_) write_exit_record(directory_->fd(), *exit_);
    }
  } catch (const std::exception& exception) {
    // It stays behind under its ".new-" name, for the next command's sweep.
    if (logs_) logs_->add_engine(fmt::format("knaller-monitor: {}\n", exception.what()));
  }
  if (directory_) directory_->release_alive();
  if (error) handover_->send(message);
  loop_.stop();
}

// The point of no return is the rename in publish().
void Monitor::commit() {
  // A launcher that could not be told something is told that the start failed, so it must have failed; and
  // one that asked, waited in vain and gave up may have begun anew.
  if (handover_->has_hung_up()) return;
  if (phase_ == Phase::kEnded) {
    throw Error(Code::kEngineDied, fmt::format("the VM has ended: {}", exit_->reason), logs_->explanation());
  }
  if (!started_ || phase_ != Phase::kStarting) fail(Code::kWrongState, "there is nothing to commit");
  // How an earlier life ended says nothing any more, least of all after a crash of the host.
  const auto before = read_file_if_exists(directory_->fd(), kExitFile);
  if (::unlinkat(directory_->fd(), kExitFile, 0) != 0 && errno != ENOENT)
    fail_errno("remove '{}'", kExitFile);
  try {
    directory_->publish();
  } catch (const Error&) {
    if (before) write_file_atomically(directory_->fd(), kExitFile, *before);
    throw;
  }
  phase_ = Phase::kRunning;
  handover_->send({{"event", "committed"}});
  ::malloc_trim(0);
}

void Monitor::untie() {
  if (phase_ != Phase::kRunning) fail(Code::kWrongState, "the VM is not running");
  spec_.tied = false;
  spec_.remove_at_end = false;
  handover_->send({{"event", "untied"}});
}

}  // namespace knaller::monitor
