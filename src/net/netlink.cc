#include "net/netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "base/error.h"

namespace knaller::net {
namespace {

int call_function(const nlmsghdr* message, void* data) {
  (*static_cast<const std::function<void(const nlmsghdr*)>*>(data))(message);
  return MNL_CB_OK;
}

}  // namespace

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags)
    : header_(mnl_nlmsg_put_header(buffer_.data())) {
  header_->nlmsg_type = type;
  header_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
}

RouteSocket::RouteSocket(unsigned groups) : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
  if (!socket_) fail_errno("open a netlink socket");
  if (mnl_socket_bind(socket_.get(), groups, MNL_SOCKET_AUTOPID) < 0) fail_errno("bind a netlink socket");
}

void RouteSocket::send(NetlinkMessage& message, const std::string& what) {
  message.header()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), message.header(), message.header()->nlmsg_len) < 0) {
    fail_errno("{}", what);
  }
}

void RouteSocket::apply(NetlinkMessage& message, const std::string& what) {
  message.header()->nlmsg_flags |= NLM_F_ACK;
  dump(message, what, [](const nlmsghdr*) {});
}

void RouteSocket::dump(NetlinkMessage& message, const std::string& what,
                       const std::function<void(const nlmsghdr*)>& each) {
  send(message, what);
  std::vector<char> buffer(32 << 10);  // the kernel fills up to 32 KiB at a time for readers that offer it
  int status = MNL_CB_OK;
  while (status > MNL_CB_STOP) {
    const ssize_t length = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    if (length < 0) fail_errno("{}", what);
    status = mnl_cb_run(buffer.data(), static_cast<size_t>(length), sequence_,
                        mnl_socket_get_portid(socket_.get()), call_function,
                        const_cast<std::function<void(const nlmsghdr*)>*>(&each));
    if (status < 0) fail_errno("{}", what);
  }
}

void RouteSocket::discard() {
  char buffer[16 << 10];
  // ENOBUFS: messages were lost; there may be more.
  while (::recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT) > 0 || errno == ENOBUFS) errno = 0;
}

}  // namespace knaller::net
