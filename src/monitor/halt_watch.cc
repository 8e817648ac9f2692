#include "monitor/halt_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

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
  return facts.port != 0 ? kLooksAtANetwork : kLooksWithout;
}

// A connection through the forwarded port: whether anything answers is not asked, its first packet interrupts
// the guest.
UniqueFd knock_at(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return socket;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  // In the background; a refusal is no answer of the guest's, either.
  [[maybe_unused]] const int begun =
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return socket;
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
  if (facts.port != 0 && slept) knock_ = knock_at(facts.port);
  if (verdict == HaltEvidence::Verdict::kOpen) return;
  timer_.reset();
  const auto on_verdict = std::move(on_verdict_);
  on_verdict(verdict);
}

}  // namespace knaller::monitor
