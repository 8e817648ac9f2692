// The guest's name server, with real namespaces and servers that stand for the host's.
#include "monitor/dns_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "net/test_vm.h"

namespace knaller::monitor {
namespace {

using namespace knaller::net;

class DnsRelayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

// What a server says: the query as a response, and its own address behind it.
std::string response_of(std::string query, const std::string& from) {
  query[2] = static_cast<char>(query[2] | 0x80);
  return query + "from " + from;
}

// In a host whose loopback is up, as what is bound before does not get its answers.
void with_loopback(const std::function<void()>& body) {
  in_host([&body] {
    RouteSocket netlink;
    set_up(netlink, "lo");
    body();
  });
}

// A name server at address:53 of the host, over UDP and TCP; `deaf` hears and says nothing.
class Server {
 public:
  explicit Server(const std::string& address, bool deaf = false) : address_(address) {
    const auto listen = [&](int type) {
      UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
      const sockaddr_in name = socket_name(address, 53);
      if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        fail_errno("bind {}", address);
      if (type == SOCK_STREAM) ::listen(socket.get(), 4);
      return socket;
    };
    udp_ = listen(SOCK_DGRAM);
    tcp_ = listen(SOCK_STREAM);
    if (deaf) return;
    pid_ = ::fork();
    if (pid_ == 0) serve();
  }
  ~Server() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  bool was_asked() const { return poll_until(udp_.get(), POLLIN, Deadline::after({})) != 0; }

 private:
  [[noreturn]] void serve() const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pollfd both[] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    for (;;) {
      ::poll(both, 2, -1);
      char bytes[4096];
      if (both[0].revents != 0) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        const ssize_t length =
            ::recvfrom(udp_.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&peer), &size);
        const std::string answer = response_of(std::string(bytes, static_cast<size_t>(length)), address_);
        ::sendto(udp_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
      }
      if (both[1].revents != 0) {
        const UniqueFd peer(::accept(tcp_.get(), nullptr, nullptr));
        const ssize_t length = ::read(peer.get(), bytes, sizeof bytes);
        write_all(peer.get(), response_of(std::string(bytes, static_cast<size_t>(length)), address_), "peer");
      }
    }
  }

  std::string address_;
  UniqueFd udp_;
  UniqueFd tcp_;
  pid_t pid_ = -1;
};

std::string query(uint16_t id) {
  return big_endian(id) + std::string("\x01\0\0\x01\0\0\0\0\0\0", 10) + std::string("\x01x\0\0\x01\0\x01", 7);
}

// What the guest is told, behind its own query's bytes; or why it is not.
std::string asked(const TestVm& vm, Protocol protocol,
                  std::chrono::seconds patience = std::chrono::seconds(9)) {
  return vm.guest.run([&] {
    const bool tcp = protocol == Protocol::kTcp;
    const UniqueFd socket(::socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0));
    const timeval time{patience.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    const sockaddr_in name = socket_name(vm.plan.dns, 53);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
      return std::string(::strerror(errno));
    const std::string sent = query(0x1234);
    if (::send(socket.get(), sent.data(), sent.size(), MSG_NOSIGNAL) < 0)
      return std::string(::strerror(errno));
    char bytes[4096];
    const ssize_t length = ::recv(socket.get(), bytes, sizeof bytes, 0);
    if (length < 0) return std::string(::strerror(errno));
    if (length == 0) return std::string("end of file");
    const std::string answer(bytes, static_cast<size_t>(length));
    if (answer.substr(0, 2) != sent.substr(0, 2)) return std::string("another's answer");
    return (answer[3] & 0xf) == 2 ? "SERVFAIL" : answer.substr(sent.size());
  });
}

// The relay in a process of its own, which reads `resolv_conf`.
class Relay {
 public:
  Relay(const TestVm& vm, const TestFolder& folder) {
    auto sockets = listen_for_names(VmNamespaces::of(vm.engine.pid()), vm.plan.dns);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::mount(folder.path("resolv.conf").c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) != 0)
      ::_exit(1);
    Loop loop;
    const DnsRelay relay(loop, std::move(sockets));
    loop.run();
    ::_exit(0);
  }
  ~Relay() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

 private:
  pid_t pid_;
};

// Into the same file: it is bound to another name.
void use_servers(const TestFolder& folder, const std::vector<std::string>& addresses) {
  std::string text = "# the host's\n";
  for (const auto& address : addresses) text += "nameserver " + address + "\n";
  const UniqueFd file = open_at(folder.fd(), "resolv.conf", O_WRONLY | O_CREAT | O_TRUNC);
  write_all(file.get(), text, "resolv.conf");
}

struct Host {
  explicit Host(const std::vector<std::string>& servers, Egress egress = {}) : vm(plan_with(egress)) {
    use_servers(folder, servers);
    vm.connect_guest();
    relay.emplace(vm, folder);
  }
  static Plan plan_with(const Egress& egress) {
    Plan plan = standard_plan({});
    plan.egress = egress;
    return plan;
  }
  TestFolder folder;
  TestVm vm;
  std::optional<Relay> relay;
};

TEST_F(DnsRelayTest, PassesOnOverUdpAndTcpAndFollowsTheHostsServers) {
  with_loopback([] {
    const Server one("127.0.0.53");
    const Server other("127.0.0.54");
    const Host host({"127.0.0.53"});
    EXPECT_EQ(asked(host.vm, Protocol::kUdp), "from 127.0.0.53");
    EXPECT_EQ(asked(host.vm, Protocol::kTcp), "from 127.0.0.53");
    use_servers(host.folder, {"127.0.0.54"});
    EXPECT_EQ(asked(host.vm, Protocol::kUdp), "from 127.0.0.54");
    EXPECT_EQ(asked(host.vm, Protocol::kTcp), "from 127.0.0.54");
  });
}

// The relay's sockets may be there before anything of the VM's network.
TEST_F(DnsRelayTest, AnswersFromItsOwnAddressHoweverEarlyItWasBound) {
  const Namespace engine([] { return -1; });
  const auto sockets = listen_for_names(VmNamespaces::of(engine.pid()), "10.255.255.53");
  EXPECT_EQ(engine.run([&] {
    RouteSocket netlink;
    set_up(netlink, "lo");
    add_address(netlink, "lo", "10.255.255.53", 32);
    const UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in here = socket_name("127.0.0.1", 0);
    const sockaddr_in there = socket_name("10.255.255.53", 53);
    EXPECT_EQ(::bind(client.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there), 0);
    EXPECT_EQ(::send(client.get(), "query", 5, 0), 5);
    char bytes[16];
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    EXPECT_EQ(poll_until(sockets[0].get(), POLLIN, Deadline::after(std::chrono::seconds(9))), POLLIN);
    EXPECT_EQ(::recvfrom(sockets[0].get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&peer), &size),
              5);
    EXPECT_EQ(::sendto(sockets[0].get(), "answer", 6, 0, reinterpret_cast<const sockaddr*>(&peer), size), 6);
    // A connected socket hears whom it is connected to, and nobody else.
    const bool heard = poll_until(client.get(), POLLIN, Deadline::after(std::chrono::seconds(2))) != 0;
    return std::string(heard ? "heard" : "not heard");
  }),
            "heard");
}

TEST_F(DnsRelayTest, TakesTheNextServerWhenOneIsDeadOrDeaf) {
  with_loopback([] {
    const Server deaf("127.0.0.52", true);
    const Server works("127.0.0.53");
    const Host host({"127.0.0.51", "127.0.0.52", "127.0.0.53"});
    EXPECT_EQ(asked(host.vm, Protocol::kUdp), "from 127.0.0.53");
    // Then it is asked first.
    EXPECT_EQ(asked(host.vm, Protocol::kUdp, std::chrono::seconds(1)), "from 127.0.0.53");
  });
}

TEST_F(DnsRelayTest, WithoutAServerItSaysSoAndNeverAsksTheHostsLoopback) {
  with_loopback([] {
    const Server loopback("127.0.0.1", true);
    const Host host({});
    EXPECT_EQ(asked(host.vm, Protocol::kUdp), "SERVFAIL");
    // A reset where the query came before the end.
    EXPECT_THAT(asked(host.vm, Protocol::kTcp), testing::AnyOf("end of file", "Connection reset by peer"));
    use_servers(host.folder, {"127.0.0.99"});
    EXPECT_EQ(asked(host.vm, Protocol::kUdp), "SERVFAIL");
    EXPECT_FALSE(loopback.was_asked());
  });
}

TEST_F(DnsRelayTest, ServersOfIpv6AreAsked) {
  with_loopback([] {
    if (!exists("/proc/net/if_inet6")) return;
    const UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const Host host({"::1"});
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(53);
    name.sin6_addr = in6addr_loopback;
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(asked(host.vm, Protocol::kUdp, std::chrono::seconds(1)), "Resource temporarily unavailable");
    EXPECT_NE(poll_until(socket.get(), POLLIN, Deadline::after({})), 0);
  });
}

TEST_F(DnsRelayTest, NobodyButTheGuestAsksAndOnlyIfItMay) {
  with_loopback([] {
    const Server server("127.0.0.53");
    const Host closed({"127.0.0.53"}, {.mode = EgressMode::kNone, .allow = {}, .deny = {}});
    EXPECT_EQ(asked(closed.vm, Protocol::kUdp), "No route to host");
    EXPECT_EQ(asked(closed.vm, Protocol::kTcp), "No route to host");
    const Host open({"127.0.0.53"}, {.mode = EgressMode::kNone, .allow = {{.to = "dns"}}, .deny = {}});
    EXPECT_EQ(asked(open.vm, Protocol::kUdp), "from 127.0.0.53");
    EXPECT_EQ(open.vm.engine.run([&] {
      drop_capabilities();
      return ask(Protocol::kUdp, open.vm.plan.dns, 53);
    }),
              "Operation not permitted");
  });
}

TEST(FailedAnswerTest, IsAResponseToTheSameQuestion) {
  const std::string answer = failed_answer(query(7));
  EXPECT_EQ(answer.substr(0, 2), query(7).substr(0, 2));
  EXPECT_EQ(static_cast<uint8_t>(answer[2]), 0x81);
  EXPECT_EQ(static_cast<uint8_t>(answer[3]), 0x82);
  EXPECT_EQ(answer.substr(4), query(7).substr(4));
}

}  // namespace
}  // namespace knaller::monitor
