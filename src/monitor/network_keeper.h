// Keeps a VM's pasta: starts it beside the engine, leases the host ports that were left open, starts it again
// on the same ports when it dies (at most 3 times a minute, beyond that the VM lives on without network), and
// ends it.
#ifndef KNALLER_MONITOR_NETWORK_KEEPER_H_
#define KNALLER_MONITOR_NETWORK_KEEPER_H_

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "monitor/loop.h"
#include "net/host.h"
#include "net/pasta.h"
#include "net/plan.h"

namespace knaller::monitor {

class NetworkKeeper {
 public:
  NetworkKeeper(Loop& loop, std::string pasta_binary, net::Plan plan);
  ~NetworkKeeper();
  NetworkKeeper(const NetworkKeeper&) = delete;
  NetworkKeeper& operator=(const NetworkKeeper&) = delete;

  // Attaches a pasta to the engine's namespaces, which must stay until detach(); `on_ready` is called once,
  // with the error if it could not be.
  void attach(const net::VmNamespaces& namespaces, std::function<void(const std::optional<Error>&)> on_ready);
  // Ends pasta; its ports are free again afterwards.
  void detach();

  // With every host port filled in.
  const net::Plan& plan() const { return plan_; }
  const net::HostNetwork& host() const { return host_; }
  bool offline() const { return !host_.has_default_route; }
  bool up() const { return up_; }
  const std::string& reason() const { return reason_; }  // why it is not up

 private:
  void start();
  void on_answer();
  bool may_try_again(const Error& error) const;
  void on_failure(const Error& error);
  void on_death();
  void give_up(const std::string& reason);

  Loop& loop_;
  std::string binary_;
  net::Plan asked_;  // with host port 0 where the choice is ours (not for UDP, whose ports the rules name)
  net::Plan plan_;
  net::HostNetwork host_;
  const net::VmNamespaces* namespaces_ = nullptr;
  std::optional<net::Pasta> pasta_;
  std::function<void(const std::optional<Error>&)> on_ready_;
  bool ports_settled_ = false;  // they were bound once, and are known to others
  bool up_ = false;
  std::string reason_;
  Loop::Watch watch_;
  Loop::Timer timer_;
  int attempts_ = 0;
  std::deque<Loop::Clock::time_point> deaths_;  // of the last minute
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_NETWORK_KEEPER_H_
