#include "agent/relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>

#include "channel/frame.h"
#include "channel/message.h"
#include "channel/pump.h"

namespace knaller::agent {
namespace {

using channel::Pump;

// For the guest's own firewall, which may swallow what it is sent.
constexpr time_t kConnectSeconds = 10;

int connect_to(const sockaddr* address, socklen_t size) {
  const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const timeval time = {.tv_sec = kConnectSeconds, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (connect(fd, address, size) == 0) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
  }
  const int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
  close(fd);
  errno = error;
  return -1;
}

int connect_to_port(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (fd >= 0) return fd;
  const int error = errno;
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_port = htons(port);
  address6.sin6_addr = in6addr_loopback;
  const int fd6 = connect_to(reinterpret_cast<const sockaddr*>(&address6), sizeof address6);
  if (fd6 < 0) errno = error;
  return fd6;
}

bool say(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd entry = {socket, POLLOUT, 0};
    poll(&entry, 1, -1);
    const ssize_t sent = channel::write_to_socket(socket, bytes);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string answer(const HandedOver& from, uint16_t port, int service, int error) {
  std::string frames = from.to_say;
  if (service >= 0) {
    channel::Event event;
    event.started = static_cast<uint64_t>(getpid());
    channel::append(frames, {.kind = channel::Kind::kEvent, .stream = from.stream, .payload = encode(event)});
  } else {
    channel::End end;
    end.error = error;
    end.reason = "connect to port " + std::to_string(port);
    channel::append(frames, {.kind = channel::Kind::kEnd, .stream = from.stream, .payload = encode(end)});
  }
  return frames;
}

}  // namespace

int relay(int socket, const HandedOver& from, uint16_t port) {
  const int service = connect_to_port(port);
  if (!say(socket, answer(from, port, service, errno)) || service < 0) return 1;
  Pump in(socket, service, from.heard), out(service, socket, {});
  while ((!in.has_ended() || !out.has_ended()) && in.error() == 0 && out.error() == 0) {
    std::array<pollfd, 4> entries{};
    in.fill_in(std::span(entries).first<2>());
    out.fill_in(std::span(entries).last<2>());
    if (poll(entries.data(), entries.size(), -1) < 0) continue;
    in.move(std::span(entries).first<2>());
    out.move(std::span(entries).last<2>());
  }
  if (in.error() != 0 || out.error() != 0)
    for (const int fd : {socket, service}) channel::reset_at_close(fd);
  return 0;
}

}  // namespace knaller::agent
