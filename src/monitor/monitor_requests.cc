// What other commands ask of a monitor: status, leases, stop, wait.
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "monitor/monitor.h"
#include "store/fields.h"

namespace knaller::monitor {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kProbeTime{1};       // an engine that takes longer for GET / is stuck
constexpr std::chrono::seconds kLeaseCallTime{10};  // one whose pause or resume takes longer, too
constexpr size_t kVerbLimit = 64;
// Before its time is over a guest is asked again: those of our images then end what still runs, write their
// disks and go.
constexpr milliseconds kLastCall{2000};

milliseconds before_last_call(milliseconds timeout) {
  return timeout - std::min(kLastCall, timeout / 4);
}

// A refusal may mean that it is so already; only the engine itself knows.
void apply_paused(const firecracker::Client& client, bool pause, const Deadline& deadline) {
  try {
    client.apply(
        firecracker::set_state(pause ? firecracker::VmState::kPaused : firecracker::VmState::kResumed),
        deadline);
  } catch (const Error& error) {
    if (error.code() != Code::kEngineRefused) throw;
    if (client.describe(deadline).state != (pause ? "Paused" : "Running")) throw;
  }
}

}  // namespace

void Monitor::on_request(ConnectionId connection, const Json& request) {
  const JsonReader reader(request, "the request", Code::kInvalidArgument);
  const std::string op = reader.string("op");
  if (op == "status") return answer_status(connection);
  if (op == "wait" && phase_ == Phase::kRunning) return end_waiters_.push_back(connection);
  if (phase_ != Phase::kRunning) {
    throw Error(Code::kBusy, "the VM is being started", "try again when its start has ended");
  }
  if (op == "stop") {
    const milliseconds timeout(reader.integer_or("timeout_ms", 10'000, 0, INT64_MAX));
    end_waiters_.push_back(connection);
    return stop(timeout, reader.boolean_or("force", false));
  }
  if (op == "set") return set(connection, reader);
  if (stop_asked_ && (op == "lease" || op == "pause")) fail(Code::kWrongState, "the VM is being stopped");
  if (op == "lease") {
    if (!engine_ready_) throw Error(Code::kBusy, "the guest is just booting again");
    const std::string verb = printable(reader.string("verb").substr(0, kVerbLimit));
    return leases_->request(connection, verb, server_->peer_pid(connection));
  }
  if (op == "pause") return leases_->pause(connection);
  if (op == "resume") return leases_->resume(connection);
  if (op == "release") return leases_->release(connection, false);
  if (op == "leave_paused") return leases_->release(connection, true);
  throw Error(
      Code::kUnsupported,
      fmt::format("this VM's monitor (protocol {}) does not know '{}'", kProtocolVersion, printable(op)),
      "it was started by an older knaller; restart the VM to use what is newer");
}

void Monitor::on_connection_end(ConnectionId connection) {
  std::erase(end_waiters_, connection);
  std::erase(probes_, connection);
  if (leases_) leases_->connection_ended(connection);
}

// What changes while the VM runs: each member that is there, all that is asked for or nothing.
void Monitor::set(ConnectionId connection, const JsonReader& request) {
  if (request.has("egress")) {
    if (!network_) fail(Code::kWrongState, "the VM has no network");
    network_->set_egress(store::egress_from_json(request.object("egress"), "the request's egress"));
    record_event("where the guest may connect to was changed");
  }
  server_->reply(connection, {{"v", kProtocolVersion}, {"ok", true}});
}

// --- status
// -------------------------------------------------------------------------------------------------------------

void Monitor::answer_status(ConnectionId connection) {
  const auto answer = [&](std::string_view state, const std::string& reason = {}) {
    server_->reply(connection, status_json(state, reason));
  };
  if (!started_ || !engine_ || !engine_ready_) return answer("starting");
  if (stop_asked_) return answer("stopping");
  if (!leases_->stuck_reason().empty()) return answer("stuck", leases_->stuck_reason());
  const auto waiting = engine_->worker().oldest_wait();
  const auto patience = leases_->free() ? kProbeTime : kLeaseCallTime;
  if (waiting > patience) {
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(waiting);
    return answer("stuck", fmt::format("the engine has not answered for {}", format_duration(since)));
  }
  // While a lease is held, the engine may rightly be busy for seconds; what it was told last is the state.
  if (!leases_->free()) return answer(leases_->paused() ? "paused" : "running");
  probe_engine(connection);
}

Json Monitor::status_json(std::string_view state, const std::string& reason) const {
  Json json{{"v", kProtocolVersion},
            {"ok", true},
            {"state", state},
            {"reason", reason},
            {"monitor_pid", ::getpid()},
            {"engine_pid", engine_ ? engine_->pid() : 0},
            {"since", format_time(engine_ ? engine_->since() : std::chrono::system_clock::now())},
            {"network", network_ ? (network_->up() ? "rootless" : "down") : "none"},
            {"network_reason", network_ && !network_->up() ? network_->reason() : std::string()},
            {"ports", Json::array()},
            {"reboots", reboots_},
            {"lease", leases_ ? leases_->holder() : std::string()},
            {"tied", spec_.tied}};
  if (network_) {
    json["ports"] = store::ports_to_json(network_->plan().ports);
    json["egress"] = store::egress_to_json(network_->plan().egress);
  }
  return json;
}

// Whoever asks while a probe is under way gets its answer.
void Monitor::probe_engine(ConnectionId connection) {
  probes_.push_back(connection);
  if (probing_) return;
  probing_ = true;
  auto state = std::make_shared<std::string>();
  engine_->worker().post(
      [state](const firecracker::Client& client, std::stop_token stop) {
        *state = client.describe(Deadline::never(stop)).state;
      },
      [this, state](const std::optional<Error>& error) {
        probing_ = false;
        probe_timer_.reset();
        if (error) return answer_probes("stuck", error->what());
        answer_probes(*state == "Paused" ? "paused" : "running", {});
      });
  probe_timer_ = loop_.after(kProbeTime, [this] { answer_probes("stuck", "the engine does not answer"); });
}

void Monitor::answer_probes(std::string_view state, const std::string& reason) {
  const std::vector<ConnectionId> asked = std::move(probes_);
  probes_.clear();
  for (const ConnectionId connection : asked) server_->reply(connection, status_json(state, reason));
}

// --- pause and stop
// -----------------------------------------------------------------------------------------------------

// Without a deadline: a VM that should run again is never given up, and whoever waits for a pause has a
// deadline of its own.
void Monitor::set_paused(bool pause, std::function<void(const std::optional<Error>&)> done) {
  engine_->worker().post(
      [pause](const firecracker::Client& client, std::stop_token stop) {
        apply_paused(client, pause, Deadline::never(stop));
      },
      std::move(done));
}

void Monitor::stop(milliseconds timeout, bool force) {
  stop_asked_ = true;
  if (force) return kill_engine("it was ended by force", true);
  last_call_timer_ = loop_.after(before_last_call(timeout), [this] {
    if (guest_asked_) press_ctrl_alt_del();
  });
  stop_timer_ = loop_.after(timeout, [this, timeout] {
    kill_engine(fmt::format("the guest did not shut down within {} and was ended", format_duration(timeout)),
                true);
  });
  // A VM that somebody takes a snapshot of stays paused until he is done: to resume it would make the
  // snapshot a lie.
  if (leases_->free() || leases_->abandoned()) ask_guest_to_stop();
}

void Monitor::ask_guest_to_stop() {
  if (guest_asked_ || !engine_) return;
  guest_asked_ = true;
  engine_->worker().post(
      [paused = leases_->paused() || leases_->abandoned()](const firecracker::Client& client,
                                                           std::stop_token stop) {
        if (paused) apply_paused(client, false, Deadline::never(stop));
        client.apply(firecracker::send_ctrl_alt_del(), Deadline::never(stop));
      },
      [this](const std::optional<Error>& error) {
        if (!error || error->code() == Code::kEngineDied) return;
        kill_engine(fmt::format("the guest could not be asked to shut down and was ended: {}", error->what()),
                    true);
      });
}

// Who does not hear it was asked before.
void Monitor::press_ctrl_alt_del() {
  if (!engine_) return;
  engine_->worker().post(
      [](const firecracker::Client& client, std::stop_token stop) {
        client.apply(firecracker::send_ctrl_alt_del(), Deadline::never(stop));
      },
      [](const std::optional<Error>&) {});
}

void Monitor::kill_engine(const std::string& reason, bool as_asked) {
  stop_forced_ = as_asked;
  killed_for_ = reason;
  if (engine_) engine_->kill();
}

}  // namespace knaller::monitor
