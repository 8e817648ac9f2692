#include "monitor/network_keeper.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "base/process.h"
#include "net/bandwidth.h"
#include "net/namespace.h"
#include "net/packet_filter.h"
#include "net/ports.h"
#include "net/rules.h"

namespace knaller::monitor {
namespace {

constexpr std::chrono::seconds kReadyTime{10};
constexpr int kLeaseAttempts = 5;
// A port can be bound again only 40 to 70 ms after its last owner was killed: settled ports are asked for
// again for a while.
constexpr int kSettledAttempts = 40;
constexpr std::chrono::milliseconds kRetryDelay{25};
constexpr size_t kDeathsPerMinute = 3;
constexpr Loop::Clock::duration kFirstFilterPause = std::chrono::seconds(1);
constexpr Loop::Clock::duration kLongestFilterPause = std::chrono::seconds(60);
// Seconds. The event loop waits for such a process, and a VM that a killed command left paused waits with it
// (leases.h): what takes some 10 ms gets no longer than can be borne. A filter that could not follow the host
// is tried again; a command that changes it fails.
constexpr unsigned kFilterTime = 2;

}  // namespace

NetworkKeeper::NetworkKeeper(Loop& loop, std::string pasta_binary, net::Plan plan,
                             std::function<void(VmEventKind, const std::string&)> record,
                             std::function<void(pid_t)> on_pasta)
    : loop_(loop),
      record_(std::move(record)),
      on_pasta_(std::move(on_pasta)),
      binary_(std::move(pasta_binary)),
      asked_(net::lease_udp_ports(std::move(plan))),
      udp_sources_(net::UdpSources::claim()),
      host_(loop, [this] { follow_host(); }) {
  asked_.udp_first = udp_sources_.first();
  asked_.udp_last = udp_sources_.last();
  plan_ = asked_;
  if (udp_sources_.shared())
    record_(VmEventKind::kWarning,
            "no UDP ports of the host are left for this VM alone: it shares some with another one");
}

NetworkKeeper::~NetworkKeeper() {
  detach();
}

void NetworkKeeper::attach(const net::VmNamespaces& namespaces,
                           std::function<void(const std::optional<Error>&)> on_ready) {
  namespaces_ = &namespaces;
  on_ready_ = std::move(on_ready);
  attempts_ = 0;
  try {
    names_ = std::make_unique<DnsRelay>(loop_, listen_for_names(namespaces, plan_.dns));
  } catch (const Error& error) {
    return on_failure(error);
  }
  start();
}

void NetworkKeeper::filter_is_loaded() {
  filter_loaded_ = true;
  if (filter_is_old_) follow_host();
  if (answered_ && !up_) come_up();
}

void NetworkKeeper::detach() {
  watch_.reset();
  timer_.reset();
  filter_timer_.reset();
  pasta_.reset();
  names_.reset();
  namespaces_ = nullptr;
  filter_loaded_ = false;
  answered_ = false;
  up_ = false;
  on_ready_ = nullptr;
}

void NetworkKeeper::set_egress(const Egress& egress) {
  net::Plan changed = plan_;
  changed.egress = egress;
  net::check_plan(changed);
  if (filter_loaded_) load_filter(changed);
  filter_is_old_ = true;
  plan_.egress = asked_.egress = egress;
}

void NetworkKeeper::set_bandwidth(const Rate& bandwidth) {
  if (bandwidth == plan_.bandwidth) return;
  net::Plan changed = plan_;
  changed.bandwidth = bandwidth;
  if (up_) limit(changed);
  plan_.bandwidth = asked_.bandwidth = bandwidth;
}

void NetworkKeeper::limit(const net::Plan& plan) const {
  namespaces_->run_inside([plan] {
    ::alarm(kFilterTime);
    net::limit_bandwidth(plan);
  });
}

void NetworkKeeper::look_at_host() {
  host_.look();
  filter_is_old_ = false;
}

// One transaction, in a process that joins the VM's namespaces for it: some 10 ms.
void NetworkKeeper::load_filter(const net::Plan& plan) const {
  namespaces_->run_inside([rules = net::render_update(plan, host())] {
    ::alarm(kFilterTime);
    net::load_rules(rules);
  });
}

void NetworkKeeper::follow_host() {
  filter_is_old_ = true;
  if (!filter_loaded_) return;
  filter_timer_.reset();
  try {
    load_filter(plan_);
    filter_pause_ = kFirstFilterPause;
  } catch (const Error& error) {
    record_(VmEventKind::kWarning,
            fmt::format("the packet filter could not follow the host's network: {}", error.what()));
    filter_timer_ = loop_.after(filter_pause_, [this] { follow_host(); });
    filter_pause_ = std::min(2 * filter_pause_, kLongestFilterPause);
  }
}

void NetworkKeeper::start() {
  timer_.reset();
  ++attempts_;
  try {
    if (!ports_settled_) plan_ = net::lease_ports(asked_);
    answered_ = false;
    pasta_ = net::Pasta::start({.binary = binary_, .plan = plan_}, *namespaces_);
    if (on_pasta_) on_pasta_(pasta_->child().pid());
  } catch (const Error& error) {
    return on_failure(error);
  }
  watch_ = loop_.watch(pasta_->ready_fd(), POLLIN, [this](short) { on_answer(); });
  timer_ = loop_.after(kReadyTime, [this] {
    on_failure(Error(Code::kTimeout, "pasta did not set up the network within 10 s"));
  });
}

void NetworkKeeper::on_answer() {
  try {
    if (!pasta_->take_answer()) return;
  } catch (const Error& error) {
    return on_failure(error);
  }
  timer_.reset();
  ports_settled_ = true;
  answered_ = true;
  watch_ = loop_.watch(pasta_->child().pidfd(), POLLIN, [this](short) { on_death(); });
  // A limit is set on devices, of which the engine's process makes one before its filter.
  if (filter_loaded_ || plan_.bandwidth.per_second == 0) come_up();
}

void NetworkKeeper::come_up() {
  try {
    if (plan_.bandwidth.per_second != 0) limit(plan_);
  } catch (const Error& error) {
    return on_failure(error);
  }
  up_ = true;
  reason_.clear();
  if (std::exchange(lost_, false)) record_(VmEventKind::kNetworkRestored, "the network is up again");
  if (const auto on_ready = std::move(on_ready_)) {
    on_ready_ = nullptr;
    on_ready(std::nullopt);
  }
}

// A port that the user asked for is not tried twice; one that we chose is exchanged; one that was ours must
// come back.
bool NetworkKeeper::may_try_again(const Error& error) const {
  if (error.code() != Code::kBusy) return false;
  if (ports_settled_) return attempts_ < kSettledAttempts;
  const auto taken = pasta_ ? pasta_->taken_port() : std::nullopt;
  const auto asked_for = [&taken](const PortForward& port) { return port.host != 0 && taken == port.host; };
  return taken && attempts_ < kLeaseAttempts &&
         std::none_of(asked_.ports.begin(), asked_.ports.end(), asked_for);
}

void NetworkKeeper::on_failure(const Error& error) {
  const bool again = may_try_again(error);
  watch_.reset();
  timer_.reset();
  pasta_.reset();
  if (again) {
    timer_ = loop_.after(ports_settled_ ? kRetryDelay : std::chrono::milliseconds(0), [this] { start(); });
    return;
  }
  give_up(error.what());
  if (const auto on_ready = std::move(on_ready_)) {
    on_ready_ = nullptr;
    on_ready(error);
  }
}

void NetworkKeeper::on_death() {
  const auto status = pasta_->child().wait(Deadline::never());
  watch_.reset();
  pasta_.reset();
  answered_ = up_ = false;
  const auto now = Loop::Clock::now();
  while (!deaths_.empty() && now - deaths_.front() > std::chrono::minutes(1)) deaths_.pop_front();
  deaths_.push_back(now);
  const std::string how = status ? status->sentence("pasta") : std::string("pasta ended");
  if (deaths_.size() > kDeathsPerMinute)
    return give_up(fmt::format("pasta ended {} times within a minute; at last {}", deaths_.size(), how));
  reason_ = how + " and is being started again";
  record_loss(reason_);
  attempts_ = 0;
  start();
}

void NetworkKeeper::give_up(const std::string& reason) {
  up_ = false;
  reason_ = reason;
  lost_ = false;  // what was recorded was hope
  record_loss(reason);
}

// One that never was up fails the start, which tells it.
void NetworkKeeper::record_loss(const std::string& reason) {
  if (ports_settled_ && !std::exchange(lost_, true)) record_(VmEventKind::kNetworkLost, reason);
}

}  // namespace knaller::monitor
