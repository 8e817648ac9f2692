#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "monitor/dns_relay.h"

namespace knaller::monitor {
namespace {

constexpr size_t kMostConnections = 32;
constexpr size_t kBuffer = 64 << 10;  // of either direction; a message is not longer
constexpr std::chrono::seconds kIdle{15};

}  // namespace

// Carries bytes both ways, at the pace of whoever reads more slowly.
class TcpNames::Connection {
 public:
  Connection(TcpNames& owner, uint64_t id, UniqueFd guest)
      : owner_(owner), id_(id), guest_(std::move(guest)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False when there is no server that could be asked.
  bool begin() {
    if (!connect_next()) return false;
    watch();
    return true;
  }

 private:
  struct Direction {
    std::string waiting;
    bool ended = false;  // its source will say no more
    bool passed_on = false;
  };

  Loop& loop() { return owner_.loop_; }

  bool connect_next() {
    const auto& servers = owner_.servers_.now();
    while (attempts_ < servers.size()) {
      const net::NameServer& server = servers[attempts_++];
      server_watch_.reset();
      server_.reset(::socket(server.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const auto* name = reinterpret_cast<const sockaddr*>(&server.address);
      connected_ = server_ && ::connect(server_.get(), name, server.size) == 0;
      if (connected_ || (server_ && errno == EINPROGRESS)) return true;
    }
    return false;
  }

  void watch() {
    idle_ = loop().after(kIdle, [this] { end(); });
    guest_watch_ = watch_end(guest_, to_server_, to_guest_);
    server_watch_ = watch_end(server_, to_guest_, to_server_);
  }

  // Not watched at all where nothing is awaited: poll(2) tells of a peer's end again and again.
  Loop::Watch watch_end(const UniqueFd& fd, const Direction& from, const Direction& to) {
    int events = 0;
    if (!from.ended && from.waiting.size() < kBuffer) events |= POLLIN;
    if (!to.waiting.empty() || (&fd == &server_ && !connected_)) events |= POLLOUT;
    if (events == 0) return {};
    return loop().watch(fd.get(), static_cast<short>(events), [this](short) { on_event(); });
  }

  void on_event() {
    if (!connected_ && !finish_connect()) return connect_next() ? watch() : end();
    const bool alive = carry(guest_, to_server_, server_) && carry(server_, to_guest_, guest_);
    if (!alive || (to_guest_.passed_on && to_server_.passed_on)) return end();
    watch();
  }

  bool finish_connect() {
    pollfd polled{server_.get(), POLLOUT, 0};
    if (::poll(&polled, 1, 0) == 0) return true;  // the guest's event
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(server_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    connected_ = error == 0;
    return connected_;
  }

  // False on an error.
  bool carry(const UniqueFd& from, Direction& direction, const UniqueFd& to) {
    if (!take(from, direction)) return false;
    if (&to == &server_ && !connected_) return true;
    while (!direction.waiting.empty()) {
      const ssize_t sent = ::send(to.get(), direction.waiting.data(), direction.waiting.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      direction.waiting.erase(0, static_cast<size_t>(sent));
    }
    if (direction.ended && !direction.passed_on) {
      ::shutdown(to.get(), SHUT_WR);
      direction.passed_on = true;
    }
    return true;
  }

  bool take(const UniqueFd& from, Direction& direction) {
    if (direction.ended || direction.waiting.size() >= kBuffer) return true;
    if (&from == &server_ && !connected_) return true;
    char piece[16 << 10];
    const ssize_t length = ::recv(from.get(), piece, sizeof piece, 0);
    if (length < 0) return errno == EAGAIN || errno == EINTR;
    direction.waiting.append(piece, static_cast<size_t>(length));
    direction.ended = length == 0;
    return true;
  }

  void end() { owner_.connections_.erase(id_); }  // and this object with it

  TcpNames& owner_;
  uint64_t id_;
  UniqueFd guest_;
  UniqueFd server_;
  bool connected_ = false;
  size_t attempts_ = 0;
  Direction to_server_;
  Direction to_guest_;
  Loop::Watch guest_watch_;
  Loop::Watch server_watch_;
  Loop::Timer idle_;
};

TcpNames::TcpNames(Loop& loop, net::NameServers& servers, UniqueFd listener)
    : loop_(loop),
      servers_(servers),
      listener_(std::move(listener)),
      acceptor_(loop, listener_.get(), [this](UniqueFd guest) { add(std::move(guest)); }) {}

TcpNames::~TcpNames() = default;  // where Connection is known

void TcpNames::add(UniqueFd guest) {
  if (connections_.size() >= kMostConnections) connections_.erase(connections_.begin());
  const uint64_t id = next_++;
  const auto added = connections_.emplace(id, std::make_unique<Connection>(*this, id, std::move(guest)));
  if (!added.first->second->begin()) connections_.erase(id);
}

}  // namespace knaller::monitor
