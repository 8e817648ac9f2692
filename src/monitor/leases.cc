#include "monitor/leases.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "monitor/client.h"

namespace knaller::monitor {
namespace {

constexpr std::chrono::milliseconds kRetryDelay{100};

Json okay() {
  return {{"v", 1}, {"ok", true}};
}

}  // namespace

Leases::Leases(Loop& loop, LeaseActions actions) : loop_(loop), actions_(std::move(actions)) {}

Leases::~Leases() = default;

std::string Leases::holder() const {
  if (!holder_) return {};
  return fmt::format("{} (pid {}{})", holder_->verb, holder_->pid, holder_->abandoned ? ", ended" : "");
}

void Leases::request(ConnectionId connection, std::string verb, pid_t pid) {
  const auto is_same = [connection](const Holder& one) { return one.connection == connection; };
  if ((holder_ && is_same(*holder_)) || std::any_of(waiting_.begin(), waiting_.end(), is_same)) {
    return actions_.refuse(connection,
                           Error(Code::kWrongState, "this connection has asked for the lease already"));
  }
  waiting_.push_back({.connection = connection, .verb = std::move(verb), .pid = pid});
  if (holder_) return actions_.reply(connection, {{"v", 1}, {"ok", true}, {"waiting", holder()}});
  grant_next();
}

void Leases::grant_next() {
  if (waiting_.empty()) return actions_.on_free();
  holder_ = std::move(waiting_.front());
  waiting_.pop_front();
  holder_->was_paused = paused_;
  holder_->since = Loop::Clock::now();
  Json reply = okay();
  reply["was_paused"] = paused_;
  if (paused_)
    reply["paused_us"] =
        std::chrono::duration_cast<std::chrono::microseconds>(Loop::Clock::now() - paused_since_).count();
  actions_.reply(holder_->connection, reply);
}

bool Leases::holds(ConnectionId connection) {
  if (holder_ && holder_->connection == connection && !holder_->abandoned) return true;
  actions_.refuse(connection, Error(Code::kWrongState, "this connection does not hold the pause lease"));
  return false;
}

void Leases::change(ConnectionId connection, bool pause) {
  if (pause) holder_->pausing = true;
  actions_.set_paused(pause, [this, connection, pause](const std::optional<Error>& error) {
    if (!error) became(pause);
    if (!error && !pause && holder_ && holder_->connection == connection) holder_->pausing = false;
    // The connection may have ended meanwhile; then the undo is behind this call in the engine's queue.
    if (error) return actions_.refuse(connection, *error);
    actions_.reply(connection, okay());
  });
}

void Leases::pause(ConnectionId connection) {
  if (holds(connection)) change(connection, true);
}

void Leases::resume(ConnectionId connection) {
  if (holds(connection)) change(connection, false);
}

void Leases::release(ConnectionId connection, bool leave_paused) {
  if (!holds(connection)) return;
  const bool must_resume = holder_->pausing && !holder_->was_paused && !leave_paused;
  if (!must_resume) {
    actions_.reply(connection, okay());
    return finish();
  }
  actions_.set_paused(false, [this, connection](const std::optional<Error>& error) {
    if (error) return actions_.refuse(connection, *error);
    became(false);
    actions_.reply(connection, okay());
    // Its connection may have ended meanwhile; then undo_abandoned() is under way and gives the lease on.
    if (holder_ && holder_->connection == connection && !holder_->abandoned) finish();
  });
}

void Leases::connection_ended(ConnectionId connection) {
  std::erase_if(waiting_, [connection](const Holder& one) { return one.connection == connection; });
  if (!holder_ || holder_->connection != connection || holder_->abandoned) return;
  holder_->abandoned = true;
  if (holder_->was_paused || !holder_->pausing) return finish();
  actions_.record(VmEventKind::kWarning,
                  fmt::format("{} ended while it held the pause lease; resuming", holder()));
  undo_abandoned();
}

// Behind the request of the holder that is in flight, if there is one: the engine answers in order, and there
// is no deadline.
void Leases::undo_abandoned() {
  retry_.reset();
  actions_.set_paused(false, [this](const std::optional<Error>& error) {
    if (error) {
      stuck_reason_ = fmt::format("it should run again but does not: {}", error->what());
      retry_ = loop_.after(kRetryDelay, [this] { undo_abandoned(); });
      return;
    }
    const auto stood = became(false);
    stuck_reason_.clear();
    finish();
    actions_.on_undone(stood);
  });
}

// How long it stood still that runs again.
std::chrono::microseconds Leases::became(bool paused) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  if (std::exchange(paused_, paused) == paused) return {};
  const auto now = Loop::Clock::now();
  if (paused) {
    paused_since_ = now;
    paused_at_ = std::chrono::system_clock::now();
    actions_.record(VmEventKind::kPaused, fmt::format("paused by {}", holder()));
    return {};
  }
  const auto stood = duration_cast<microseconds>(now - paused_since_);
  if (holder_ && holder_->verb == kSnapshotVerb)
    last_snapshot_ = {
        .at = paused_at_, .paused = stood, .duration = duration_cast<microseconds>(now - holder_->since)};
  actions_.record(VmEventKind::kResumed, fmt::format("runs again after {}", format_duration(stood)));
  return stood;
}

void Leases::finish() {
  holder_.reset();
  grant_next();
}

void Leases::engine_ended() {
  retry_.reset();
  std::deque<Holder> gone = std::move(waiting_);
  if (holder_ && !holder_->abandoned) gone.push_front(*holder_);
  waiting_.clear();
  holder_.reset();
  paused_ = false;
  stuck_reason_.clear();
  for (const auto& one : gone)
    actions_.refuse(one.connection, Error(Code::kEngineDied, "the VM's engine has ended"));
}

}  // namespace knaller::monitor
