// Keeps a VM's network: answers its name queries, has its packet filter follow the host's network and the
// user's wishes, and keeps its pasta: starts it alongside the engine, leases the host ports that were left
// open, starts it again on the same ports when it dies (at most 3 times a minute, beyond that the VM lives on
// without network), and ends it.
#ifndef KNALLER_MONITOR_NETWORK_KEEPER_H_
#define KNALLER_MONITOR_NETWORK_KEEPER_H_

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "knaller/watch.h"
#include "monitor/dns_relay.h"
#include "monitor/host_watch.h"
#include "monitor/loop.h"
#include "net/host.h"
#include "net/pasta.h"
#include "net/plan.h"
#include "net/udp_sources.h"

namespace knaller::monitor {

class NetworkKeeper {
 public:
  // `record` gets the network's loss and return, and errors that end nothing and that nobody else would see.
  // `on_pasta` sees each pasta that was started.
  NetworkKeeper(Loop& loop, std::string pasta_binary, net::Plan plan,
                std::function<void(VmEventKind, const std::string&)> record,
                std::function<void(pid_t)> on_pasta = {});
  ~NetworkKeeper();
  NetworkKeeper(const NetworkKeeper&) = delete;
  NetworkKeeper& operator=(const NetworkKeeper&) = delete;

  // Attaches a pasta to the engine's namespaces, which must stay until detach(); `on_ready` is called once,
  // with the error if that failed.
  void attach(const net::VmNamespaces& namespaces, std::function<void(const std::optional<Error>&)> on_ready);
  // The engine's own process has loaded the packet filter; from here on it follows.
  void filter_is_loaded();
  // Ends pasta; its ports are free again afterwards, though the kernel may take some 70 ms for that.
  void detach();

  // Where the guest may connect to from now on. Nothing has changed when it throws.
  void set_egress(const Egress& egress);
  // How much the guest's network may carry from now on, for an engine that does not limit it itself. Nothing
  // has changed when it throws.
  void set_bandwidth(const Rate& bandwidth);
  // Before another engine: what plan() and host() say is what its packet filter begins with.
  void look_at_host();

  // With every host port filled in.
  const net::Plan& plan() const { return plan_; }
  const net::HostNetwork& host() const { return host_.network(); }
  bool offline() const { return !host().has_default_route; }
  bool nameless() const { return net::NameServers().now().empty(); }
  bool up() const { return up_; }
  const std::string& reason() const { return reason_; }  // why it is not up

 private:
  void start();
  void on_answer();
  bool may_try_again(const Error& error) const;
  void on_failure(const Error& error);
  void on_death();
  void give_up(const std::string& reason);
  void record_loss(const std::string& reason);
  void load_filter(const net::Plan& plan) const;
  void limit(const net::Plan& plan) const;
  void come_up();
  void follow_host();

  Loop& loop_;
  std::function<void(VmEventKind, const std::string&)> record_;
  std::function<void(pid_t)> on_pasta_;
  std::string binary_;
  net::Plan asked_;  // with host port 0 where the choice is ours (not for UDP, whose ports the rules name)
  net::Plan plan_;
  net::UdpSources udp_sources_;
  HostWatch host_;
  std::unique_ptr<DnsRelay> names_;
  bool filter_loaded_ = false;
  bool filter_is_old_ = false;  // something changed since the engine was given it
  Loop::Timer filter_timer_;    // until it is tried again
  Loop::Clock::duration filter_pause_ = std::chrono::seconds(1);
  const net::VmNamespaces* namespaces_ = nullptr;
  std::optional<net::Pasta> pasta_;
  std::function<void(const std::optional<Error>&)> on_ready_;
  bool answered_ = false;       // pasta's device is there
  bool ports_settled_ = false;  // they were bound once, and are known to others
  bool up_ = false;
  bool lost_ = false;  // and that was recorded
  std::string reason_;
  Loop::Watch watch_;
  Loop::Timer timer_;
  int attempts_ = 0;
  std::deque<Loop::Clock::time_point> deaths_;  // of the last minute
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_NETWORK_KEEPER_H_
