// The start: from the launcher's request to its commit.
#include <unistd.h>

#include <cerrno>

#include "base/enum_text.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "monitor/handover_words.h"
#include "monitor/monitor.h"
#include "monitor/monitor_filter.h"
#include "store/layout.h"

namespace knaller::monitor {

using std::chrono::steady_clock;

void Monitor::on_handover_line(const std::string& line) {
  std::optional<life::Event> event;
  try {
    event = event_of(line);
  } catch (const std::exception& exception) {
    event = life::LauncherMistake{error_from(exception)};
  }
  dispatch(std::move(*event));
}

life::Event Monitor::event_of(const std::string& line) {
  const Json message = parse_json(line, "the launcher's message", Code::kInvalidArgument);
  const std::string word = JsonReader(message, "the launcher's message", Code::kInvalidArgument).string("op");
  const auto op = enum_from_text<LauncherOp>(word);
  if (!op) fail(Code::kUnsupported, "this monitor does not know the launcher's '{}'", printable(word));
  // A launcher that could not be told something is told that the start failed, so it must have failed; and
  // one that asked, waited in vain and gave up may have begun anew.
  switch (*op) {
    case LauncherOp::kCommit:
      return life::CommitAsked{.hung_up = handover_->has_hung_up()};
    case LauncherOp::kUntie:
      return life::UntieAsked{};
    case LauncherOp::kLaunch:
      break;
  }
  if (!std::holds_alternative<life::AwaitingLaunch>(life_)) return life::LaunchAsked{};
  began_ = steady_clock::now();
  const JsonReader reader(message, "the launch request", Code::kInvalidArgument);
  reader.integer("v", 1, kProtocolVersion);
  spec_ = spec_from_json(reader.object("spec"));
  return life::LaunchAsked{};
}

// The filter first: its failure can be told now, and no other thread or process is there yet.
void Monitor::begin_launch() {
  filter_monitor_calls();
  directory_.emplace(spec_);
  logs_.emplace(directory_->fd());
  leases_ = std::make_unique<Leases>(loop_, lease_actions());
  server_ = std::make_unique<Server>(
      loop_, directory_->fd(),
      [this](ConnectionId connection, const Json& request) { on_request(connection, request); },
      [this](ConnectionId connection) { on_connection_end(connection); });
  group_ = VmGroup(spec_.group, spec_.entry.name,
                   [this](const std::string& what) { record_event(VmEventKind::kWarning, what); });
  if (spec_.network && !spec_.pasta_binary.empty())
    network_ = std::make_unique<NetworkKeeper>(
        loop_, spec_.pasta_binary, *spec_.network,
        [this](VmEventKind kind, const std::string& what) { record_event(kind, what); },
        [this](pid_t pasta) { group_.add(pasta); });
}

LeaseActions Monitor::lease_actions() {
  return {
      .set_paused = [this](bool pause, auto done) { set_paused(pause, std::move(done)); },
      .reply = [this](ConnectionId connection, const Json& answer) { server_->reply(connection, answer); },
      .refuse = [this](ConnectionId connection, const Error& error) { server_->refuse(connection, error); },
      .record = [this](VmEventKind kind, const std::string& what) { record_event(kind, what); },
      .on_free = [this] { dispatch(life::LeaseFreed{}); },
      .on_undone =
          [this](std::chrono::microseconds stood) {
            if (engine_) engine_->clock->stood_still(stood, "the pause that its command did not end");
          }};
}

// An engine that could not be made, the first or the one after a reboot.
void Monitor::attempt_start(const std::function<void()>& start) {
  try {
    start();
  } catch (const std::exception& exception) {
    dispatch(life::EngineFailed{error_from(exception)});
  }
}

void Monitor::start_engine(const Requests& requests) {
  step_began_ = steady_clock::now();
  const std::optional<EngineNetwork> network = before_engine();
  Engine engine;
  engine.run = std::make_unique<EngineRun>(
      loop_, *directory_, spec_, network, group_.fd(), *logs_,
      EngineCallbacks{
          .on_executing = [this,
                           requests](const std::optional<Error>& error) { on_executing(error, requests); },
          .on_console = [this](std::string_view text) { on_console(text); },
          .on_marker = [this](const ConsoleMarkers& markers) { on_marker(markers); },
          .on_ended = [this](ExitStatus status) { on_engine_end(status); }});
  engine.probe = std::make_unique<StatusProbe>(
      loop_, [this](ConnectionId connection, RunState state, const std::string& reason) {
        server_->reply(connection, status_json(state, reason));
      });
  engine.clock = keep_clock();
  engine_ = std::move(engine);
  dispatch(life::EngineCloned{});
  attach_network();
}

// What an engine is started with beside its own files. The one before it is over.
std::optional<EngineNetwork> Monitor::before_engine() {
  after_engine();
  if (network_) {
    network_->look_at_host();
    return EngineNetwork{network_->plan(), network_->host()};
  }
  if (spec_.network) return EngineNetwork{*spec_.network, {}};
  return std::nullopt;
}

// Beside the engine's own start: pasta takes some 17 ms, and nothing that the engine does needs it.
void Monitor::attach_network() {
  if (!network_) return dispatch(life::NetworkAttached{});
  network_->attach(engine_->run->namespaces(),
                   [this, since = steady_clock::now()](const std::optional<Error>& error) {
                     if (!error) report_phase("network", since);
                     dispatch(life::NetworkAttached{error});
                   });
}

void Monitor::on_executing(const std::optional<Error>& error, const Requests& requests) {
  if (error) return report_engine(error);
  if (network_) network_->filter_is_loaded();
  report_phase("jail", step_began_);
  step_began_ = steady_clock::now();
  const int pidfd = engine_->run->pidfd();
  engine_->run->worker().post(
      [pidfd](const firecracker::Client& client, std::stop_token stop) {
        client.wait_until_listening(Deadline::never(stop), pidfd);
      },
      [this, requests](const std::optional<Error>& listening_error) {
        if (listening_error) return report_engine(listening_error);
        report_phase("engine", step_began_);
        send_requests(requests);
      });
}

// Without a deadline of its own: the launcher has one, and its end ends this.
void Monitor::send_requests(const Requests& requests) {
  step_began_ = steady_clock::now();
  engine_->run->worker().post(
      [requests](const firecracker::Client& client, std::stop_token stop) {
        for (const auto& request : requests) client.apply(request, Deadline::never(stop));
      },
      [this](const std::optional<Error>& error) {
        if (!error) report_phase(spec_.load.empty() ? "boot" : "load", step_began_);
        report_engine(error);
      });
}

void Monitor::report_engine(const std::optional<Error>& error) {
  if (error) return dispatch(life::EngineFailed{*error});
  dispatch(life::EngineReady{});
}

void Monitor::report_phase(std::string_view phase, steady_clock::time_point since) {
  if (!life::launcher_hears_phases(life_)) return;
  const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - since);
  handover_->send({{"event", to_text(HandoverEvent::kPhase)}, {"phase", phase}, {"us", duration.count()}});
}

// The point of no return is the rename in VmDirectory::publish().
void Monitor::publish() {
  // How an earlier life ended says nothing any more, least of all after a crash of the host.
  const auto before = read_file_if_exists(directory_->fd(), layout::kExitRecord);
  if (::unlinkat(directory_->fd(), layout::kExitRecord, 0) != 0 && errno != ENOENT)
    fail_errno("remove '{}'", layout::kExitRecord);
  try {
    directory_->publish();
  } catch (const Error&) {
    if (before) write_file_atomically(directory_->fd(), layout::kExitRecord, *before);
    throw;
  }
  reserve_exit_record(directory_->fd());
}

}  // namespace knaller::monitor
