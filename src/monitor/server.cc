#include "monitor/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/json.h"
#include "base/socket.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr size_t kMostConnections = 64;
// For a connection's first request: who says nothing must not keep others out.
constexpr std::chrono::seconds kSilence{10};

std::string refusal(const Error& error) {
  return dump_json({{"v", kProtocolVersion}, {"ok", false}, {"error", error_to_json(error)}}) + "\n";
}

// Best effort: so little fits into the buffer of a fresh connection.
void turn_away(int socket) {
  const std::string text =
      refusal(Error(Code::kExhausted, "the VM's monitor is busy: it has as many connections as it accepts",
                    "try again when other commands have ended"));
  [[maybe_unused]] const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

Server::Server(Loop& loop, int vm_directory, std::function<void(ConnectionId, const Json&)> on_request,
               std::function<void(ConnectionId)> on_end)
    : loop_(loop),
      directory_(open_at(vm_directory, ".", O_PATH | O_DIRECTORY)),
      on_request_(std::move(on_request)),
      on_end_(std::move(on_end)),
      listener_(listen_unix(vm_directory, layout::kMonitorSocket, 64)),
      acceptor_(loop, listener_.get(), [this](UniqueFd socket) { add(std::move(socket)); }) {}

Server::~Server() {
  close();
}

void Server::close() {
  if (!listener_) return;
  acceptor_.close();
  listener_.reset();
  // If it can't be unlinked, the next start replaces it.
  ::unlinkat(directory_.get(), layout::kMonitorSocket, 0);
}

void Server::add(UniqueFd socket) {
  if (connections_.size() >= kMostConnections) return turn_away(socket.get());
  const ConnectionId id = next_id_++;
  connections_[id] = {
      .peer = std::make_unique<LinePeer>(
          loop_, std::move(socket), LinePeer::Limits{},
          [this, id](const std::string& line) { on_line(id, line); }, [this, id] { drop(id); }),
      .silence = loop_.after(kSilence, [this, id] { drop(id); })};
}

void Server::on_line(ConnectionId connection, const std::string& line) {
  connections_.at(connection).silence.reset();
  try {
    const Json request = parse_json(line, "the request", Code::kInvalidArgument);
    if (!request.is_object()) fail(Code::kInvalidArgument, "the request is not a JSON object");
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
  if (found != connections_.end()) found->second.peer->send(message);
}

void Server::reply_with_fds(ConnectionId connection, const Json& message, std::span<const int> fds) {
  const auto found = connections_.find(connection);
  if (found != connections_.end()) found->second.peer->send_with_fds(message, fds);
}

void Server::refuse(ConnectionId connection, const Error& error) {
  reply(connection, {{"v", kProtocolVersion}, {"ok", false}, {"error", error_to_json(error)}});
}

pid_t Server::peer_pid(ConnectionId connection) const {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return 0;
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(found->second.peer->fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid;
}

bool Server::flushed() const {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& one) { return one.second.peer->flushed(); });
}

}  // namespace knaller::monitor
