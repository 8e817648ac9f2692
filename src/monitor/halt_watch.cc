#include "monitor/halt_watch.h"

namespace knaller::monitor {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{100};
constexpr std::chrono::seconds kWhilePaused{1};
// Only at a guest that has slept for a second, which live ones hardly do: SSH servers count connections.
constexpr int kLooksBetweenKnocks = 10;
// ADR 72 has what was measured.
constexpr int kLooksAtANetwork = 30;
constexpr int kLooksWithout = 150;
constexpr int kLooksWhenStopping = 5;
// A halted processor is not woken at all; a few times are left to what was under way when it said so.
constexpr int kWokenForSure = 20;
constexpr int kMostLooks = 3000;

int looks_needed(const HaltFacts& facts) {
  if (facts.stop_asked) return kLooksWhenStopping;
  return facts.knock ? kLooksAtANetwork : kLooksWithout;
}

}  // namespace

HaltEvidence::Verdict HaltEvidence::add(VcpuActivity::Since since, int needed) {
  asleep_ = since == VcpuActivity::Since::kAsleep ? asleep_ + 1 : 0;
  if (since == VcpuActivity::Since::kWoken) ++woken_;
  ++looks_;
  if (asleep_ >= needed) return Verdict::kHalted;
  const bool tired = looks_ >= kMostLooks && asleep_ == 0;
  return woken_ >= kWokenForSure || tired ? Verdict::kAlive : Verdict::kOpen;
}

HaltWatch::HaltWatch(Loop& loop, pid_t engine, std::function<HaltFacts()> facts,
                     std::function<void(HaltEvidence::Verdict)> on_verdict)
    : loop_(loop), facts_(std::move(facts)), on_verdict_(std::move(on_verdict)), activity_(engine) {
  look();
}

void HaltWatch::look() {
  const HaltFacts facts = facts_();
  if (!facts.may_run) {
    evidence_.interrupt();
    timer_ = loop_.after(kWhilePaused, [this] { look(); });
    return;
  }
  const auto verdict = evidence_.add(activity_.look(), looks_needed(facts));
  timer_ = loop_.after(kBetweenLooks, [this] { look(); });
  const bool slept = evidence_.asleep() > 0 && evidence_.asleep() % kLooksBetweenKnocks == 0;
  if (facts.knock && slept) knock_ = facts.knock();
  if (verdict == HaltEvidence::Verdict::kOpen) return;
  timer_.reset();
  const auto on_verdict = std::move(on_verdict_);
  on_verdict(verdict);
}

}  // namespace knaller::monitor
