#include "monitor/life.h"

#include "monitor/life_moves.h"

namespace knaller::monitor::life {

Transition step(const State& state, const Event& event) {
  Move move = std::visit([&event](const auto& now) { return on(now, event); }, state);
  return {move.to ? std::move(*move.to) : state, std::move(move.effects)};
}

bool is_dying(const Engine& engine) {
  return std::holds_alternative<EngineDying>(engine);
}

bool is_down(const Engine& engine) {
  return std::holds_alternative<EngineDown>(engine);
}

EngineDying dying(const Engine& engine, EngineDying::Cause cause, std::string reason) {
  const auto* already = std::get_if<EngineDying>(&engine);
  if (already != nullptr && already->cause > cause) return *already;
  return {cause, std::move(reason)};
}

EndFacts facts_of(const Engine& engine, const EngineEnded& ended, bool stop_asked) {
  EndFacts facts{.markers = ended.markers,
                 .status = ended.status,
                 .stop_asked = stop_asked,
                 .out_of_memory = ended.out_of_memory};
  const auto* killed = std::get_if<EngineDying>(&engine);
  if (killed == nullptr) return facts;
  facts.killed_for = killed->reason;
  switch (killed->cause) {
    case EngineDying::Cause::kBroken:
      break;
    case EngineDying::Cause::kStoodStill:
      facts.stands_still = true;
      break;
    case EngineDying::Cause::kAsked:
      facts.stop_forced = true;
      break;
  }
  return facts;
}

std::optional<Verdict> against_reboot(const RebootFacts& facts, bool committed) {
  // Its memory is gone: booted again, it would not be what was asked for.
  if (!committed && facts.restored)
    return Verdict{false, EndState::kCrashed, "the guest rebooted instead of going on from its snapshot"};
  if (!facts.restart) return Verdict{true, EndState::kStopped, "the guest rebooted"};
  if (!facts.can_boot)
    return Verdict{false, EndState::kStopped,
                   "the guest rebooted, and has no kernel of its own to boot again"};
  if (facts.too_often)
    return Verdict{false, EndState::kCrashed,
                   fmt::format("the guest rebooted {} times within a minute", kMostRebootsPerMinute + 1)};
  return std::nullopt;
}

}  // namespace knaller::monitor::life
