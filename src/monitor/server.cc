#include "monitor/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/socket.h"

namespace knaller::monitor {
namespace {

constexpr size_t kMostConnections = 64;

}  // namespace

Server::Server(Loop& loop, int vm_directory, std::function<void(ConnectionId, const Json&)> on_request,
               std::function<void(ConnectionId)> on_end)
    : loop_(loop),
      directory_(open_at(vm_directory, ".", O_PATH | O_DIRECTORY)),
      on_request_(std::move(on_request)),
      on_end_(std::move(on_end)),
      listener_(listen_unix(vm_directory, kMonitorSocket, 64)) {
  loop_.watch(listener_.get(), POLLIN, [this](short) { accept_one(); });
}

Server::~Server() {
  close();
}

void Server::close() {
  if (!listener_) return;
  loop_.unwatch(listener_.get());
  listener_.reset();
  // If it can't be unlinked, the next start replaces it.
  ::unlinkat(directory_.get(), kMonitorSocket, 0);
}

void Server::accept_one() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket || connections_.size() >= kMostConnections) return;
  const ConnectionId id = next_id_++;
  connections_[id] = std::make_unique<LinePeer>(
      loop_, std::move(socket), LinePeer::Limits{},
      [this, id](const std::string& line) { on_line(id, line); }, [this, id] { drop(id); });
}

void Server::on_line(ConnectionId connection, const std::string& line) {
  try {
    const Json request = parse_json(line, "the request", Code::kInvalidArgument);
    if (!request.is_object()) fail(Code::kInvalidArgument, "the request is no JSON object");
    on_request_(connection, request);
  } catch (const std::exception& exception) {
    refuse(connection, error_from(exception));
  }
}

void Server::drop(ConnectionId connection) {
  connections_.erase(connection);
  on_end_(connection);
}

void Server::reply(ConnectionId connection, const Json& message) {
  const auto found = connections_.find(connection);
  if (found != connections_.end()) found->second->send(message);
}

void Server::refuse(ConnectionId connection, const Error& error) {
  reply(connection, {{"v", kProtocolVersion}, {"ok", false}, {"error", error_to_json(error)}});
}

pid_t Server::peer_pid(ConnectionId connection) const {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return 0;
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(found->second->fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid;
}

bool Server::flushed() const {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& one) { return one.second->flushed(); });
}

}  // namespace knaller::monitor
