#include "monitor/status_probe.h"

namespace knaller::monitor {

void StatusProbe::ask(EngineWorker& worker, ConnectionId connection) {
  waiting_.push_back(connection);
  if (under_way_) return;
  under_way_ = true;
  auto state = std::make_shared<std::string>();
  worker.post([state](const firecracker::Client& client,
                      std::stop_token stop) { *state = client.describe(Deadline::never(stop)).state; },
              [this, state](const std::optional<Error>& error) { on_answer(*state, error); });
  timer_ = loop_.after(kProbeTime, [this] { answer_all(RunState::kStuck, "the engine does not answer"); });
}

void StatusProbe::on_answer(const std::string& state, const std::optional<Error>& error) {
  under_way_ = false;
  timer_.reset();
  if (error) return answer_all(RunState::kStuck, error->what());
  answer_all(state == "Paused" ? RunState::kPaused : RunState::kRunning, {});
}

void StatusProbe::forget(ConnectionId connection) {
  std::erase(waiting_, connection);
}

void StatusProbe::answer_all(RunState state, const std::string& reason) {
  const std::vector<ConnectionId> asked = std::move(waiting_);
  waiting_.clear();
  for (const ConnectionId connection : asked) answer_(connection, state, reason);
}

}  // namespace knaller::monitor
