// Answers the guest's name queries at the name server's address of its namespace: passes them on, byte for
// byte, to the host's current name servers, over UDP and TCP, and returns what they say.
//
// The monitor does it and not pasta, since pasta (2023-03-09) reads resolv.conf once, knows UDP and IPv4
// only, and asks the host's loopback where there is no server. Nothing is parsed but the two bytes by which
// an answer is known. What a guest can make it do is bounded; it gives up the oldest first. On the event
// loop's thread.
#ifndef KNALLER_MONITOR_DNS_RELAY_H_
#define KNALLER_MONITOR_DNS_RELAY_H_

#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "monitor/acceptor.h"
#include "monitor/loop.h"
#include "net/name_servers.h"
#include "net/vm_namespaces.h"

namespace knaller::monitor {

// Sockets of UDP and TCP at `address`, which need not be there yet.
std::vector<UniqueFd> listen_for_names(const net::VmNamespaces& namespaces, const std::string& address);

// The answer that says that nobody can answer this query (SERVFAIL). Pure.
std::string failed_answer(std::string query);

class UdpNames {
 public:
  UdpNames(Loop& loop, net::NameServers& servers, UniqueFd socket);
  UdpNames(const UdpNames&) = delete;
  UdpNames& operator=(const UdpNames&) = delete;

 private:
  using Id = uint64_t;
  struct Query {
    std::string bytes;
    sockaddr_in guest{};
    UniqueFd upstream;
    size_t attempts = 0;
    Loop::Watch watch;
    Loop::Timer timer;
  };

  void on_queries();
  void add(std::string bytes, const sockaddr_in& guest);
  void ask(Id id);
  bool send_to(Query& query, const net::NameServer& server);
  void on_answer(Id id);
  void answer(const Query& query, std::string_view bytes);
  void hang_up(Query& query);
  void forget(Id id);

  Loop& loop_;
  net::NameServers& servers_;
  UniqueFd socket_;
  Loop::Watch watch_;
  std::map<Id, Query> queries_;
  Id next_ = 1;
  size_t preferred_ = 0;  // the server that answered last
};

class TcpNames {
 public:
  TcpNames(Loop& loop, net::NameServers& servers, UniqueFd listener);
  ~TcpNames();
  TcpNames(const TcpNames&) = delete;
  TcpNames& operator=(const TcpNames&) = delete;

 private:
  class Connection;

  void add(UniqueFd guest);

  Loop& loop_;
  net::NameServers& servers_;
  UniqueFd listener_;
  Acceptor acceptor_;
  uint64_t next_ = 1;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
};

class DnsRelay {
 public:
  DnsRelay(Loop& loop, std::vector<UniqueFd> sockets)
      : udp_(loop, servers_, std::move(sockets.at(0))), tcp_(loop, servers_, std::move(sockets.at(1))) {}

 private:
  net::NameServers servers_;
  UdpNames udp_;
  TcpNames tcp_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_DNS_RELAY_H_
