// What other commands ask of a monitor: status, leases, stop, wait, changes.
#include <unistd.h>

#include "base/enum_text.h"
#include "base/json.h"
#include "base/text.h"
#include "monitor/monitor.h"
#include "monitor/pause.h"
#include "net/control_link.h"
#include "store/fields.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kLeaseCallTime{10};  // an engine whose pause or resume takes longer is stuck
constexpr size_t kVerbLimit = 64;

}  // namespace

void Monitor::on_request(ConnectionId connection, const Json& request) {
  const JsonReader reader(request, "the request", Code::kInvalidArgument);
  const std::string word = reader.string("op");
  const auto op = enum_from_text<life::Op>(word);
  if (!op)
    throw Error(
        Code::kUnsupported,
        fmt::format("this VM's monitor (protocol {}) does not know '{}'", kProtocolVersion, printable(word)),
        "it was started by an older knaller; restart the VM to use what is newer");
  if (const auto refused = life::refusal(life_, *op)) throw *refused;
  serve(*op, connection, reader);
}

void Monitor::serve(life::Op op, ConnectionId connection, const JsonReader& request) {
  switch (op) {
    case life::Op::kStatus:
      return answer_status(connection);
    case life::Op::kStats:
      return answer_stats(connection);
    case life::Op::kWait:
      return end_waiters_.push_back(connection);
    case life::Op::kStop:
      return stop(connection, request);
    case life::Op::kSet:
      return set(connection, request);
    case life::Op::kEnter:
      return enter(connection);
    case life::Op::kLease:
      return lease(connection, request);
    case life::Op::kPause:
      return leases_->pause(connection);
    case life::Op::kResume:
      return leases_->resume(connection);
    case life::Op::kRelease:
      return leases_->release(connection, false);
    case life::Op::kLeavePaused:
      return leases_->release(connection, true);
  }
}

void Monitor::on_connection_end(ConnectionId connection) {
  std::erase(end_waiters_, connection);
  if (engine_) engine_->probe->forget(connection);
  if (leases_) leases_->connection_ended(connection);
}

void Monitor::stop(ConnectionId connection, const JsonReader& request) {
  const milliseconds timeout(request.integer_or("timeout_ms", 10'000, 0, INT64_MAX));
  const bool force = request.boolean_or("force", false);
  end_waiters_.push_back(connection);
  dispatch(life::StopAsked{.timeout = timeout, .force = force, .guest_may_run = guest_may_run()});
}

void Monitor::lease(ConnectionId connection, const JsonReader& request) {
  const std::string verb = printable(request.string("verb").substr(0, kVerbLimit));
  leases_->request(connection, verb, server_->peer_pid(connection));
}

void Monitor::enter(ConnectionId connection) {
  if (!spec_.control_link)
    throw Error(Code::kUnsupported, "its guest has no agent of knaller's",
                "images that knaller builds have one: knaller image build");
  if (!engine_) throw Error(Code::kBusy, "the guest is just booting again");
  const UniqueFd socket = net::make_control_socket(engine_->run->namespaces());
  const int descriptors[] = {socket.get(), engine_->run->pidfd()};
  server_->reply_with_fds(connection, {{"v", kProtocolVersion}, {"ok", true}}, descriptors);
}

// What changes while the VM runs. The engine comes last, for it may refuse, and takes its time; what it
// refuses is no change for the next one either.
void Monitor::set(ConnectionId connection, const JsonReader& request) {
  const RunningChange change = running_change_from_json(request);
  if (change.egress && !network_) fail(Code::kWrongState, "the VM has no network");
  if (!change.limits) {
    if (change.egress) network_->set_egress(*change.egress);
    return tell_changed(connection, change);
  }
  if (!life::guest_is_up(life_)) throw Error(Code::kBusy, "the guest is just booting again");
  group_.limit(change.limits->group);
  const net::Plan before = network_ ? network_->plan() : net::Plan{};
  change_network(change, before);
  engine_->run->worker().post(
      [requests = change.limits->requests](const firecracker::Client& client, std::stop_token stop) {
        for (const auto& one : requests) client.apply(one, Deadline::never(stop));
      },
      [this, connection, change, before](const std::optional<Error>& error) {
        if (error) {
          restore_network(before);
          return server_->refuse(connection, *error);
        }
        if (!change.limits->boot.empty()) spec_.boot = change.limits->boot;
        tell_changed(connection, change);
      });
}

void Monitor::tell_changed(ConnectionId connection, const RunningChange& change) {
  if (change.egress) record_event(VmEventKind::kChanged, "where the guest may connect to was changed");
  if (change.limits) record_event(VmEventKind::kChanged, "the VM's limits were changed");
  server_->reply(connection, {{"v", kProtocolVersion}, {"ok", true}});
}

void Monitor::change_network(const RunningChange& change, const net::Plan& before) {
  if (!network_) return;
  if (change.egress) network_->set_egress(*change.egress);
  try {
    network_->set_bandwidth(change.limits->bandwidth);
  } catch (const Error&) {
    restore_network(before);
    throw;
  }
}

// What came with something that was refused.
void Monitor::restore_network(const net::Plan& before) {
  if (!network_) return;
  try {
    if (network_->plan().egress != before.egress) network_->set_egress(before.egress);
    network_->set_bandwidth(before.bandwidth);
  } catch (const Error& error) {
    record_event(VmEventKind::kWarning,
                 fmt::format("a change that was refused was made in part: {}", error.what()));
  }
}

// --- status

void Monitor::answer_status(ConnectionId connection) {
  const auto answer = [&](RunState state, const std::string& reason = {}) {
    server_->reply(connection, status_json(state, reason));
  };
  switch (life::standing(life_)) {
    case life::Standing::kStarting:
      return answer(RunState::kStarting);
    case life::Standing::kStopping:
      return answer(RunState::kStopping);
    case life::Standing::kAskTheEngine:
      break;
  }
  if (!leases_->stuck_reason().empty()) return answer(RunState::kStuck, leases_->stuck_reason());
  EngineWorker& worker = engine_->run->worker();
  const auto waiting = worker.oldest_wait();
  const auto patience = leases_->free() ? kProbeTime : kLeaseCallTime;
  if (waiting > patience) {
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(waiting);
    return answer(RunState::kStuck,
                  fmt::format("the engine has not answered for {}", format_duration(since)));
  }
  // While a lease is held, the engine may rightly be busy for seconds; what it was told last is the state.
  if (!leases_->free()) return answer(leases_->paused() ? RunState::kPaused : RunState::kRunning);
  engine_->probe->ask(worker, connection);
}

// What is known without asking the engine: for those who look at many VMs again and again.
void Monitor::answer_stats(ConnectionId connection) {
  Json json{{"v", kProtocolVersion},
            {"ok", true},
            {"monitor_pid", ::getpid()},
            {"engine_pid", engine_ ? engine_->run->pid() : 0},
            {"since", format_time(engine_ ? engine_->run->since() : std::chrono::system_clock::now())},
            {"reboots", reboots_},
            {"last_snapshot", nullptr}};
  if (const auto& snapshot = leases_->last_snapshot())
    json["last_snapshot"] = {{"at", format_time(snapshot->at)},
                             {"paused_us", snapshot->paused.count()},
                             {"duration_us", snapshot->duration.count()}};
  server_->reply(connection, json);
}

Json Monitor::status_json(RunState state, const std::string& reason) const {
  Json json{{"v", kProtocolVersion},
            {"ok", true},
            {"state", to_text(state)},
            {"reason", reason},
            {"monitor_pid", ::getpid()},
            {"engine_pid", engine_ ? engine_->run->pid() : 0},
            {"since", format_time(engine_ ? engine_->run->since() : std::chrono::system_clock::now())},
            {"network", network_ ? (network_->up() ? "rootless" : "down") : "none"},
            {"network_reason", network_ && !network_->up() ? network_->reason() : std::string()},
            {"ports", Json::array()},
            {"reboots", reboots_},
            {"lease", leases_ ? leases_->holder() : std::string()},
            {"control_group", group_.path()},
            {"usage", group_.usage()},
            {"tied", spec_.tied}};
  if (network_) {
    json["ports"] = store::ports_to_json(network_->plan().ports);
    json["egress"] = store::egress_to_json(network_->plan().egress);
  }
  return json;
}

// --- pause

// Without a deadline: a VM that should run again is never given up, and whoever waits for a pause has a
// deadline of its own.
void Monitor::set_paused(bool pause, std::function<void(const std::optional<Error>&)> done) {
  engine_->run->worker().post(
      [pause](const firecracker::Client& client, std::stop_token stop) {
        apply_paused(client, pause, Deadline::never(stop));
      },
      std::move(done));
}

// Whoever resumes a guest sets its clock; the rest is done here.
std::unique_ptr<ClockKeeper> Monitor::keep_clock() {
  return std::make_unique<ClockKeeper>(
      loop_, ClockKeeper::Actions{
                 .guest_runs = [this] { return life::guest_is_up(life_) && !leases_->paused(); },
                 .set = [this](int output) { return ClockKeeper::begin_setting(spec_.entry.name, output); },
                 .warn = [this](const std::string& what) { record_event(VmEventKind::kWarning, what); }});
}

// Nobody holds it paused who is still there.
bool Monitor::guest_may_run() const {
  return leases_ && (leases_->free() || leases_->abandoned());
}

}  // namespace knaller::monitor
