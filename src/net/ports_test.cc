#include "net/ports.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

namespace knaller::net {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A listener of this process on an IPv6 address, and its port. Nothing where there is no IPv6.
struct Listener {
  explicit Listener(const char* address, bool v6_only = false)
      : socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int only = v6_only ? 1 : 0;
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    socklen_t size = sizeof name;
    if (socket && ::inet_pton(AF_INET6, address, &name.sin6_addr) == 1 &&
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0 &&
        ::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), size) == 0 &&
        ::listen(socket.get(), 1) == 0 &&
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0)
      port = ntohs(name.sin6_port);
  }

  UniqueFd socket;
  uint16_t port = 0;
};

TEST(PortHolder, IsNamedWhereItListensOnIpv6AndTakesIpv4WithIt) {
  const std::string self = std::to_string(::getpid());
  const Listener any("::");
  const Listener mapped("::ffff:127.0.0.1");
  const Listener other("::1", true);
  if (any.port == 0 || mapped.port == 0 || other.port == 0) GTEST_SKIP() << "this host has no IPv6";
  for (const char* address : {"127.0.0.1", "0.0.0.0"}) {
    EXPECT_THAT(port_holder(address, any.port, Protocol::kTcp), HasSubstr(self)) << address;
    EXPECT_THAT(port_holder(address, mapped.port, Protocol::kTcp), HasSubstr(self)) << address;
    EXPECT_THAT(port_holder(address, other.port, Protocol::kTcp), IsEmpty()) << address;
  }
  EXPECT_THAT(port_holder("127.0.0.2", mapped.port, Protocol::kTcp), IsEmpty());
  EXPECT_THAT(port_holder("127.0.0.1", any.port, Protocol::kUdp), IsEmpty());
}

TEST(PortRefusedTest, SaysWhatToDo) {
  const PortForward port{.host = 80, .guest = 8000};
  const Error low = port_refused(port, EACCES);
  EXPECT_EQ(low.code(), Code::kPermission);
  EXPECT_THAT(low.hint(), HasSubstr("net.ipv4.ip_unprivileged_port_start=80"));
  EXPECT_EQ(port_refused({.address = "192.0.2.1", .host = 80, .guest = 80}, EADDRNOTAVAIL).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(port_refused(port, EMFILE).code(), Code::kExhausted);
  const Error passed = port_refused(port, 0);
  EXPECT_EQ(passed.code(), Code::kBusy);
  EXPECT_THAT(passed.hint(), HasSubstr("--port 0:8000"));
}

}  // namespace
}  // namespace knaller::net
