// monitor.sock: other commands' connections, one JSON object per line in both directions
// (docs/formats/monitor.md).
//
//   {"v":1,"op":"status"}  ->  {"v":1,"ok":true,…}  or  {"v":1,"ok":false,"error":{"code",…}}
//
// A newer client may send fields that this monitor does not know, which are ignored, and ops, which are
// refused.
#ifndef KNALLER_MONITOR_SERVER_H_
#define KNALLER_MONITOR_SERVER_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "base/error.h"
#include "monitor/acceptor.h"
#include "monitor/leases.h"
#include "monitor/line_peer.h"
#include "monitor/loop.h"

namespace knaller::monitor {

inline constexpr int kProtocolVersion = 1;

class Server {
 public:
  // `on_request` gets each request that is an object; what it throws is answered as an error.
  Server(Loop& loop, int vm_directory, std::function<void(ConnectionId, const nlohmann::json&)> on_request,
         std::function<void(ConnectionId)> on_end);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // To a connection that has ended meanwhile: nothing.
  void reply(ConnectionId connection, const nlohmann::json& message);
  // With descriptors, which stay the caller's. Refused while earlier replies wait.
  void reply_with_fds(ConnectionId connection, const nlohmann::json& message, std::span<const int> fds);
  void refuse(ConnectionId connection, const Error& error);
  pid_t peer_pid(ConnectionId connection) const;
  // No more connections, and the socket's name goes.
  void close();
  bool flushed() const;

 private:
  struct Connection {
    std::unique_ptr<LinePeer> peer;
    Loop::Timer silence;  // until its first request
  };

  void add(UniqueFd socket);
  void on_line(ConnectionId connection, const std::string& line);
  void drop(ConnectionId connection);

  Loop& loop_;
  UniqueFd directory_;
  std::function<void(ConnectionId, const nlohmann::json&)> on_request_;
  std::function<void(ConnectionId)> on_end_;
  UniqueFd listener_;
  Acceptor acceptor_;
  std::map<ConnectionId, Connection> connections_;
  ConnectionId next_id_ = 1;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_SERVER_H_
