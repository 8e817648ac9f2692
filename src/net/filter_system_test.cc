// What the packet filter lets a guest do, with the real kernel and the real pasta.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>

#include <set>
#include <sstream>

#include "net/packet_filter.h"
#include "net/rules.h"
#include "net/test_internet.h"

namespace knaller::net {
namespace {

constexpr uint16_t kMoreFragments = 0x2000;
const char* const kRefused = "No route to host";

class FilterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
    if (find_program("pasta").empty()) GTEST_SKIP() << "no pasta here";
  }
};

EgressRule rule(const std::string& to, uint16_t port = 0) {
  return {.to = to, .port = port, .protocol = {}};
}

std::string greeting() {
  return fmt::format("hello {}\n", kHostAddress);
}

// The host's UDP ports that somebody has.
std::set<unsigned> udp_ports_of_host() {
  std::set<unsigned> ports;
  std::istringstream lines(read_file("/proc/net/udp", 1 << 24));
  for (std::string line; std::getline(lines, line);) {
    unsigned port = 0;
    if (std::sscanf(line.c_str(), " %*d: %*[0-9A-F]:%4x", &port) == 1) ports.insert(port);
  }
  return ports;
}

// pasta would take what is in the later one for a header: here it says port 53.
TEST_F(FilterTest, FragmentsGoNowhere) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    const Packet first{.source = vm.plan.guest_address, .destination = kInternet, .port = 80};
    const std::string header = big_endian(40000) + big_endian(80) + big_endian(8 + 16) + std::string(2, '\0');
    const std::string forged =
        big_endian(40000) + big_endian(53) + big_endian(12) + std::string(2, '\0') + "hey!";
    for (const bool reversed : {false, true}) {
      Packet one = first;
      one.fragment = kMoreFragments;
      Packet two = first;
      two.fragment = 1;
      const std::string frames[] = {frame_of(one, header), frame_of(two, forged + "end.")};
      send_frame(vm.tap(), frames[reversed ? 1 : 0]);
      send_frame(vm.tap(), frames[reversed ? 0 : 1]);
    }
    EXPECT_EQ(leaked_packets(vm.tap(), uplink.get(), 9000), std::vector<std::string>());
  });
}

TEST_F(FilterTest, HostSeesAFewUdpPortsThatAreTheVmsOwn) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    const std::set<unsigned> before = udp_ports_of_host();
    size_t sent = 0;
    for (uint16_t block = 0; block < 10; ++block) {
      for (uint16_t i = 0; i < 60; ++i) {
        const auto port = static_cast<uint16_t>(20000 + 60 * block + i);
        send_frame(vm.tap(), frame_of({.source = vm.plan.guest_address,
                                       .destination = kInternet,
                                       .port = 80,
                                       .source_port = port}));
      }
      sent += leaked_packets(vm.tap(), uplink.get(), static_cast<uint16_t>(9000 + 2 * block)).size();
    }
    EXPECT_GT(sent, 200U) << "its packets get out";
    size_t taken = 0;
    for (const unsigned port : udp_ports_of_host()) {
      if (before.contains(port)) continue;
      ++taken;
      EXPECT_TRUE(port >= vm.plan.udp_first && port <= vm.plan.udp_last) << port;
    }
    EXPECT_GT(taken, 0U);
  });
}

TEST_F(FilterTest, TwoVmsHaveUdpPortsOfTheirOwn) {
  in_host([] {
    set_lo_up();
    const TestVm one(standard_plan({}));
    const TestVm other(standard_plan({}));
    EXPECT_TRUE(one.plan.udp_last < other.plan.udp_first || other.plan.udp_last < one.plan.udp_first);
    EXPECT_FALSE(one.sources.shared());
  });
}

// Connection tracking takes no notice of these, so they would be neither translated nor counted.
TEST_F(FilterTest, WhatIsNotValidGoesNowhere) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    const Packet packet{.source = vm.plan.guest_address, .destination = kInternet, .port = 80};
    std::string payload = transport_part(packet);
    payload.replace(6, 2, "no");
    send_frame(vm.tap(), frame_of(packet, payload));
    EXPECT_EQ(leaked_packets(vm.tap(), uplink.get(), 9000), std::vector<std::string>());
    EXPECT_FALSE(udp_ports_of_host().contains(packet.source_port));
  });
}

TEST_F(FilterTest, GuestHasSoManyFlowsAndNoMore) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    std::set<std::string> flows;
    uint16_t port = 10000;
    for (uint16_t block = 0; block < 23; ++block) {
      for (uint16_t i = 0; i < 100; ++i)
        send_frame(vm.tap(), frame_of({vm.plan.guest_address, kInternet, port++}));
      // A fence of TCP, which is counted by itself.
      const auto fence = static_cast<uint16_t>(9000 + block);
      send_frame(vm.tap(), frame_of({vm.plan.guest_address, kInternet, fence, IPPROTO_TCP}));
      for (const auto& packet : packets_before(uplink.get(), fmt::format("tcp {}:{}", kInternet, fence)))
        if (packet.starts_with("udp")) flows.insert(packet);
    }
    EXPECT_GE(flows.size(), 2000U);
    EXPECT_LE(flows.size(), 2048U);
  });
}

// As a clone finds one in its memory: established, and nobody outside knows of it.
std::string use_unknown_connection(const std::string& peer) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{5, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto repair = [&socket](int on) {
    if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0)
      fail_errno("repair a socket");
  };
  const sockaddr_in name = socket_name(peer, 80);
  repair(1);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    fail_errno("make a connection");
  repair(0);  // and the kernel sends a probe
  char byte = 'x';
  if (::send(socket.get(), &byte, 1, MSG_NOSIGNAL) < 0) return ::strerror(errno);
  return ::recv(socket.get(), &byte, 1, 0) < 0 ? ::strerror(errno) : "an answer";
}

TEST_F(FilterTest, AConnectionThatAnotherVmBeganIsReset) {
  in_host([] {
    set_lo_up();
    const Internet internet;
    TestVm vm(standard_plan({}));
    vm.connect_guest();
    const Service web(&internet.machine(), Protocol::kTcp, kInternet, 80);
    const Pasta pasta = vm.start_pasta();
    for (const char* peer : {kInternet, "10.255.254.1"}) {
      EXPECT_EQ(vm.guest.run([&] { return use_unknown_connection(peer); }), "Connection reset by peer")
          << peer;
    }
    EXPECT_FALSE(web.was_visited());
  });
}

// A guest, and services that it may or may not reach.
struct World {
  explicit World(const Egress& egress)
      : vm([&egress] {
          Plan plan = standard_plan({});
          plan.egress = egress;
          return plan;
        }()) {
    vm.connect_guest();
  }
  std::string reach(const std::string& address, uint16_t port, Protocol protocol = Protocol::kTcp) const {
    return vm.guest.run([&] { return ask(protocol, address, port); });
  }
  void change(const Egress& egress) const {
    Plan plan = vm.plan;
    plan.egress = egress;
    VmNamespaces::of(vm.engine.pid()).run_inside([rules = render_update(plan, inspect_host())] {
      load_rules(rules);
    });
  }
  TestVm vm;
};

TEST_F(FilterTest, RulesSayWhereTheGuestMayConnectTo) {
  in_host([] {
    set_lo_up();
    const Internet internet;
    const Service web(&internet.machine(), Protocol::kTcp, kInternet, 80);
    const Service other(&internet.machine(), Protocol::kTcp, kInternet, 81);
    const Service names(&internet.machine(), Protocol::kUdp, kInternet, 53);
    const Service database(&internet.machine(), Protocol::kTcp, kResolver, 5432);
    const Service own(nullptr, Protocol::kTcp, kHostAddress, 7000);
    const World world({.mode = EgressMode::kNone, .allow = {rule(kInternet, 80)}, .deny = {}});
    const Pasta pasta = world.vm.start_pasta();
    EXPECT_EQ(world.reach(kInternet, 80), greeting());
    EXPECT_EQ(world.reach(kInternet, 81), kRefused);
    EXPECT_EQ(world.reach(kResolver, 5432), kRefused);
    // From here on the rules change while the VM runs.
    world.change(
        {.mode = EgressMode::kInternet, .allow = {rule("192.168.77.0/24")}, .deny = {rule(kInternet, 81)}});
    EXPECT_EQ(world.reach(kInternet, 80), greeting());
    EXPECT_EQ(world.reach(kInternet, 81), kRefused);
    EXPECT_EQ(world.reach(kInternet, 53, Protocol::kUdp), kRefused);
    EXPECT_EQ(world.reach(kResolver, 5432), greeting());
    EXPECT_EQ(world.reach(kHostAddress, 7000), kRefused);
    // Everything means the internet: it neither opens what is private nor the host.
    world.change({.mode = EgressMode::kNone, .allow = {rule("0.0.0.0/0")}, .deny = {}});
    EXPECT_EQ(world.reach(kInternet, 53, Protocol::kUdp), greeting());
    EXPECT_EQ(world.reach(kResolver, 5432), kRefused);
    EXPECT_EQ(world.reach(kHostAddress, 7000), kRefused);
    EXPECT_FALSE(own.was_visited());
    // The host's own address is opened by its name alone, with a port; and a denial beats all.
    world.change({.mode = EgressMode::kNone, .allow = {rule(kHostAddress, 7000)}, .deny = {}});
    EXPECT_EQ(world.reach(kHostAddress, 7000), greeting());
    world.change({.allow = {rule(kHostAddress, 7000)}, .deny = {rule("11.0.0.0/8")}});
    EXPECT_EQ(world.reach(kHostAddress, 7000), kRefused);
    EXPECT_EQ(world.reach(kInternet, 80), greeting());
  });
}

TEST_F(FilterTest, NetworksThatTheHostIsOnAreOutOfReach) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const UniqueFd link = attach("lan0", IFF_TUN);
    RouteSocket netlink;
    add_address(netlink, "lan0", "13.0.0.1", 24);
    set_up(netlink, "lan0");
    EXPECT_THAT(inspect_host().networks, ::testing::Contains(prefix("13.0.0.0/24")));
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    send_frame(vm.tap(), frame_of({vm.plan.guest_address, "13.0.0.7", 80}));
    leaked_packets(vm.tap(), uplink.get(), 9000);
    std::string packet(2048, '\0');
    const ssize_t length = ::read(link.get(), packet.data(), packet.size());
    EXPECT_TRUE(length <= 0 || is_link_local_ipv6({packet.data(), static_cast<size_t>(length)}));
  });
}

}  // namespace
}  // namespace knaller::net
