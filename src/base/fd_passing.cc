#include "base/fd_passing.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace knaller {
namespace {

// A message with room for as many descriptors as may be passed.
struct Message {
  explicit Message(void* data, size_t size) : data_{data, size} {
    header.msg_iov = &data_;
    header.msg_iovlen = 1;
    header.msg_control = control_;
    header.msg_controllen = sizeof control_;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  void put(std::span<const int> fds) {
    if (fds.size() > kMostPassedFds)
      fail(Code::kInternal, "{} descriptors are too many to pass at once", fds.size());
    header.msg_controllen = fds.empty() ? 0 : CMSG_SPACE(fds.size_bytes());
    if (fds.empty()) return;
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(first), fds.data(), fds.size_bytes());
  }
  void take(std::vector<UniqueFd>& fds) {
    for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(one) + i * sizeof fd, sizeof fd);
        fds.emplace_back(fd);
      }
    }
  }

  msghdr header = {};

 private:
  iovec data_;
  alignas(cmsghdr) char control_[CMSG_SPACE(kMostPassedFds * sizeof(int))] = {};
};

ssize_t receive(int socket, Message& message, std::string_view what) {
  ssize_t got = 0;
  while ((got = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC)) < 0)
    if (errno != EINTR) fail_errno("take descriptors from {}", what);
  return got;
}

}  // namespace

void send_with_fds(int socket, char byte, std::span<const int> fds, std::string_view what) {
  Message message(&byte, 1);
  message.put(fds);
  while (::sendmsg(socket, &message.header, MSG_NOSIGNAL) != 1)
    if (errno != EINTR) fail_errno("pass descriptors to {}", what);
}

bool try_send_with_fds(int socket, std::string_view text, std::span<const int> fds) {
  Message message(const_cast<char*>(text.data()), text.size());
  message.put(fds);
  ssize_t sent = 0;
  while ((sent = ::sendmsg(socket, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return sent == static_cast<ssize_t>(text.size());
}

ByteWithFds receive_with_fds(int socket, std::string_view what) {
  ByteWithFds received;
  Message message(&received.byte, 1);
  received.end = receive(socket, message, what) == 0;
  message.take(received.fds);
  return received;
}

bool receive_some_with_fds(int socket, std::string& buffer, std::vector<UniqueFd>& fds,
                           std::string_view what) {
  char bytes[4096];
  Message message(bytes, sizeof bytes);
  const ssize_t got = receive(socket, message, what);
  message.take(fds);
  buffer.append(bytes, static_cast<size_t>(got));
  return got > 0;
}

}  // namespace knaller
