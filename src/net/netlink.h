// One rtnetlink socket: requests that are acknowledged, and dumps. Used by one thread; failures are Errors
// that say what was asked for.
#ifndef KNALLER_NET_NETLINK_H_
#define KNALLER_NET_NETLINK_H_

#include <libmnl/libmnl.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace knaller::net {

// A message under construction, in a buffer of its own.
class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags);
  nlmsghdr* header() { return header_; }
  // Room for a family's fixed part (ifinfomsg, ifaddrmsg, …), zeroed.
  template <typename T>
  T& family() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
  }

 private:
  alignas(nlmsghdr) std::array<char, 1024> buffer_{};
  nlmsghdr* header_;
};

class RouteSocket {
 public:
  // `groups`: RTMGRP_… flags, whose messages come unasked.
  explicit RouteSocket(unsigned groups = 0);

  // Sends and waits for the acknowledgement. `what` completes "cannot …".
  void apply(NetlinkMessage& message, const std::string& what);
  // Calls `each` for every message of the answer.
  void dump(NetlinkMessage& message, const std::string& what,
            const std::function<void(const nlmsghdr*)>& each);

  int fd() const { return mnl_socket_get_fd(socket_.get()); }
  // Reads everything that has come unasked, without waiting.
  void discard();

 private:
  void send(NetlinkMessage& message, const std::string& what);

  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  std::unique_ptr<mnl_socket, Close> socket_;
  unsigned sequence_ = 0;
};

}  // namespace knaller::net

#endif  // KNALLER_NET_NETLINK_H_
