#include "base/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

// A stop request does not wake a blocking call.
constexpr std::chrono::milliseconds kUntilStopIsSeen{50};

UniqueFd make_socket(int family, int type) {
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!fd) fail_errno("make a socket");
  return fd;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    fail(Code::kInvalidArgument, "the socket name '{}' is too long", printable(path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

template <typename Address>
int connect_to(int fd, const Address& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

void remove_stale_socket(int dir, const std::string& name) {
  const auto status = stat_if_exists(dir, name);
  if (!status) return;
  if (!S_ISSOCK(status->st_mode))
    fail(Code::kAlreadyExists, "'{}' is there and is not a socket", printable(name));
  if (::unlinkat(dir, name.c_str(), 0) != 0 && errno != ENOENT) {
    fail_errno("remove the old socket '{}'", printable(name));
  }
}

// The deadline is kept by poll(2) before each call; the descriptors themselves are ordinary, blocking ones.
void make_blocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) fail_errno("make a socket blocking");
}

// Of connect(2), too; zero for none.
void limit_sending(int fd, std::chrono::milliseconds limit) {
  const timeval time = {.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) != 0)
    fail_errno("limit how long a socket waits");
}

void finish_connect(int fd, const std::string& peer, const Deadline& deadline) {
  wait_writable(fd, deadline, fmt::format("a connection to {}", peer));
  int result = 0;
  socklen_t size = sizeof result;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) != 0) fail_errno("connect to {}", peer);
  if (result != 0) throw errno_error(result, fmt::format("connect to {}", peer));
}

// Or at its end.
bool is_readable(int fd) {
  pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&polled, 1, 0) == 1;
}

// Appends what is there now; false at the end of file.
bool receive_some(int fd, std::string& buffer, const Deadline& deadline, std::string_view what) {
  char chunk[4096];
  while (true) {
    wait_readable(fd, deadline, what);
    ssize_t got = ::recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && errno == ENOTSOCK) got = ::read(fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    // The peer ended without having read all that we sent: an end like any other, once what it sent has been
    // read.
    if (got < 0 && errno == ECONNRESET) return false;
    if (got < 0) fail_errno("read from {}", what);
    buffer.append(chunk, static_cast<size_t>(got));
    return got > 0;
  }
}

}  // namespace

UniqueFd listen_unix(int dir, const std::string& name, int backlog) {
  const UniqueFd folder = open_at(dir, ".", O_PATH | O_DIRECTORY);
  remove_stale_socket(folder.get(), name);
  UniqueFd fd = make_socket(AF_UNIX, SOCK_STREAM);
  // bind(2) gives the file the socket's own mode (less the umask), so there is no moment at which it is
  // wider.
  if (::fchmod(fd.get(), 0600) != 0) fail_errno("set the mode of a socket");
  const sockaddr_un address = unix_address(fmt::format("/proc/self/fd/{}/{}", folder.get(), name));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail_errno("bind the socket '{}'", printable(name));
  }
  if (::listen(fd.get(), backlog) != 0) fail_errno("listen on the socket '{}'", printable(name));
  return fd;
}

UniqueFd connect_unix(int dir, const std::string& name, const Deadline& deadline) {
  const UniqueFd target = open_beneath(dir, name, O_PATH);
  struct stat status;
  if (::fstat(target.get(), &status) != 0) fail_errno("look at '{}'", printable(name));
  if (!S_ISSOCK(status.st_mode)) fail(Code::kCorrupt, "'{}' is not a socket", printable(name));
  UniqueFd fd = make_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
  const sockaddr_un address = unix_address(fmt::format("/proc/self/fd/{}", target.get()));
  bool has_limit = false;
  while (connect_to(fd.get(), address) != 0) {
    if (errno == ECONNREFUSED) fail(Code::kEngineDied, "nobody listens on '{}'", printable(name));
    if (errno != EAGAIN && errno != EINTR) fail_errno("connect to '{}'", printable(name));
    // EAGAIN: the backlog is full. poll(2) does not tell when it no longer is, but a blocking call waits for
    // it.
    deadline.check(fmt::format("a connection to '{}'", printable(name)));
    make_blocking(fd.get());
    limit_sending(fd.get(),
                  std::chrono::milliseconds(std::max(1, deadline.sooner(kUntilStopIsSeen).poll_timeout())));
    has_limit = true;
  }
  make_blocking(fd.get());
  if (has_limit) limit_sending(fd.get(), {});
  return fd;
}

void connect_tcp_socket(int fd, const std::string& address, uint16_t port, const Deadline& deadline) {
  sockaddr_in peer = {};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &peer.sin_addr) != 1) {
    fail(Code::kInvalidArgument, "'{}' is not an IPv4 address", printable(address));
  }
  const std::string name = fmt::format("{}:{}", address, port);
  if (connect_to(fd, peer) == 0) return;
  if (errno != EINPROGRESS && errno != EINTR) fail_errno("connect to {}", name);
  finish_connect(fd, name, deadline);
}

UniqueFd connect_tcp(const std::string& address, uint16_t port, const Deadline& deadline) {
  UniqueFd fd = make_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  connect_tcp_socket(fd.get(), address, port, deadline);
  make_blocking(fd.get());
  return fd;
}

bool read_line(int fd, std::string& buffer, std::string& line, size_t limit, const Deadline& deadline,
               std::string_view what) {
  size_t searched = 0;
  while (true) {
    const size_t end = buffer.find('\n', searched);
    if (std::min(end, buffer.size()) > limit) {
      fail(Code::kInvalidArgument, "{} sent a line of more than {} bytes", what, limit);
    }
    if (end != std::string::npos) {
      line.assign(buffer, 0, end);
      buffer.erase(0, end + 1);
      return true;
    }
    searched = buffer.size();
    if (receive_some(fd, buffer, deadline, what)) continue;
    if (buffer.empty()) return false;
    fail(Code::kIo, "{} ended in the middle of a line", what);
  }
}

void send_all(int fd, std::string_view data, const Deadline& deadline, std::string_view what) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      data.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      wait_writable(fd, deadline, what);
    } else if (errno != EINTR) {
      fail_errno("write to {}", what);
    }
  }
}

void send_request(int fd, std::string_view data, const Deadline& deadline, std::string_view what) {
  try {
    send_all(fd, data, deadline, what);
  } catch (const Error& error) {
    if (error.code() != Code::kIo || !is_readable(fd)) throw;
  }
}

}  // namespace knaller
