// The network of a VM, with the real kernel and the real pasta.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/mount.h>

#include "base/test_folder.h"
#include "base/text.h"
#include "net/test_internet.h"

namespace knaller::net {
namespace {

class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
    if (find_program("pasta").empty()) GTEST_SKIP() << "no pasta here";
  }
};

PortForward tcp(uint16_t guest, std::string address = "127.0.0.1") {
  return {.address = std::move(address), .host = 0, .guest = guest, .protocol = Protocol::kTcp};
}
PortForward udp(uint16_t guest) {
  return {.host = 0, .guest = guest, .protocol = Protocol::kUdp};
}

std::string own_name() {
  return std::string(trim(read_file("/proc/self/comm")));
}

TEST_F(NetworkTest, ForwardsPortsFromLoopbackToTheGuest) {
  in_host([] {
    set_lo_up();
    TestVm vm(standard_plan({tcp(80), udp(5353), tcp(22), udp(5354)}));
    vm.connect_guest();
    const Service web(&vm.guest, Protocol::kTcp, vm.plan.guest_address, 80);
    const Service names(&vm.guest, Protocol::kUdp, vm.plan.guest_address, 5353);
    const Pasta pasta = vm.start_pasta();
    EXPECT_EQ(ask(Protocol::kTcp, "127.0.0.1", vm.host_port(0)), "hello 10.255.254.1\n");
    EXPECT_EQ(ask(Protocol::kUdp, "127.0.0.1", vm.host_port(1)), "hello 10.255.254.1\n");
    EXPECT_NE(ask(Protocol::kTcp, "127.0.0.1", vm.host_port(2)).substr(0, 5), "hello")
        << "nothing listens there";
  });
}

TEST_F(NetworkTest, ForwardsPortsOfOtherAddressesAndTheGuestSeesWhoItIs) {
  in_host([] {
    set_lo_up();
    const Internet internet;
    TestVm vm(standard_plan({tcp(80, "0.0.0.0")}));
    vm.connect_guest();
    const Service web(&vm.guest, Protocol::kTcp, vm.plan.guest_address, 80);
    const Pasta pasta = vm.start_pasta();
    const auto from_internet = [&] { return ask(Protocol::kTcp, kHostAddress, vm.host_port(0)); };
    EXPECT_EQ(internet.machine().run(from_internet), fmt::format("hello {}\n", kInternet));
  });
}

TEST_F(NetworkTest, GoPlanWorksWithItsOwnNames) {
  in_host([] {
    set_lo_up();
    TestVm vm(go_plan("web", {tcp(80)}));
    vm.connect_guest();
    const Service web(&vm.guest, Protocol::kTcp, vm.plan.guest_address, 80);
    const Pasta pasta = vm.start_pasta();
    EXPECT_EQ(ask(Protocol::kTcp, "127.0.0.1", vm.host_port(0)), fmt::format("hello {}\n", vm.plan.gateway));
  });
}

TEST_F(NetworkTest, GuestReachesTheInternetButNoNameServerThere) {
  in_host([] {
    set_lo_up();
    const Internet internet;
    TestVm vm(standard_plan({}));
    vm.connect_guest();
    const Service web(&internet.machine(), Protocol::kTcp, kInternet, 80);
    const Service other_resolver(&internet.machine(), Protocol::kUdp, kInternet, 53);
    const Pasta pasta = vm.start_pasta();
    const auto from_guest = [&vm](Protocol protocol, const std::string& address, uint16_t port) {
      return vm.guest.run([&] { return ask(protocol, address, port); });
    };
    EXPECT_EQ(from_guest(Protocol::kTcp, kInternet, 80), fmt::format("hello {}\n", kHostAddress));
    EXPECT_EQ(from_guest(Protocol::kUdp, kInternet, 53), "No route to host");
    EXPECT_EQ(from_guest(Protocol::kTcp, kResolver, 53), "No route to host");
    EXPECT_FALSE(other_resolver.was_visited());
  });
}

TEST_F(NetworkTest, GoGuestsFindTheirNameServerWhateverItIsCalled) {
  in_host([] {
    set_lo_up();
    TestVm vm(go_plan("web", {}));
    vm.connect_guest();
    const Service names(&vm.engine, Protocol::kUdp, vm.plan.dns, 53);
    for (const char* server : {"10.0.0.1", "1.1.1.1"}) {
      EXPECT_EQ(vm.guest.run([&] { return ask(Protocol::kUdp, server, 53); }),
                fmt::format("hello {}\n", vm.plan.guest_address));
    }
  });
}

// Where a guest must not get to: private, shared, link-local, multicast and reserved ranges, the host,
// pasta's gateway.
const char* const kForbidden[] = {
    "10.1.2.3",        "10.255.254.1",   "10.255.255.1",    "10.255.255.2", "10.255.255.53",
    "172.16.0.1",      "172.31.255.254", "192.168.1.1",     "100.64.0.1",   "100.127.255.254",
    "169.254.169.254", "127.0.0.1",      "127.0.0.53",      "0.0.0.0",      "0.1.2.3",
    "198.18.0.1",      "224.0.0.251",    "239.255.255.250", "240.0.0.1",    "255.255.255.255",
    "198.51.100.7",    "192.0.0.8",      "203.0.113.9",     "192.0.2.1",    "192.88.99.1",
    "168.63.129.16",   "161.26.0.10",    "166.9.1.1",       kHostAddress,
};

// A forged source: another address of the /30, the namespace's own, the host's loopback, a private and a
// public one.
const char* const kForgedSources[] = {"10.255.254.3", "10.255.254.1", "10.255.255.2", "127.0.0.1",
                                      "192.168.1.7",  "8.8.8.8",      "0.0.0.0"};

TEST_F(NetworkTest, NothingGetsOutToForbiddenAddressesWhateverItsSource) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({tcp(22)}));
    const Pasta pasta = vm.start_pasta();
    for (const auto protocol : {uint8_t{IPPROTO_UDP}, uint8_t{IPPROTO_TCP}, uint8_t{IPPROTO_ICMP}}) {
      for (const char* destination : kForbidden) {
        send_frame(vm.tap(), frame_of({vm.plan.guest_address, destination, 1234, protocol}));
        for (const char* source : kForgedSources) {
          send_frame(vm.tap(), frame_of({source, destination, 1234, protocol}));
        }
      }
      // Even to the internet: who answers would answer somebody else.
      for (const char* source : kForgedSources)
        send_frame(vm.tap(), frame_of({source, kInternet, 1234, protocol}));
    }
    EXPECT_EQ(leaked_packets(vm.tap(), uplink.get(), 9000), std::vector<std::string>());
  });
}

TEST_F(NetworkTest, FencesSeeWhatIsAllowed) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    send_frame(vm.tap(), frame_of({vm.plan.guest_address, "12.0.0.10", 1234, IPPROTO_TCP}));
    send_frame(vm.tap(), frame_of({vm.plan.guest_address, "12.0.0.11", 1234, IPPROTO_UDP}));
    EXPECT_THAT(leaked_packets(vm.tap(), uplink.get(), 9000),
                ::testing::IsSupersetOf({"tcp 12.0.0.10:1234", "udp 12.0.0.11:1234"}));
  });
}

TEST_F(NetworkTest, ServicesOfTheHostAreOutOfReach) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const Service loopback(nullptr, Protocol::kTcp, "127.0.0.1", 0);
    const Service everywhere(nullptr, Protocol::kTcp, "0.0.0.0", 0);
    const Service datagrams(nullptr, Protocol::kUdp, "0.0.0.0", 0);
    TestVm vm(standard_plan({tcp(22)}));
    const Pasta pasta = vm.start_pasta();
    for (const char* destination : kForbidden) {
      for (const char* source : {"10.255.254.2", "127.0.0.1", kHostAddress, "10.255.255.2"}) {
        send_frame(vm.tap(), frame_of({source, destination, loopback.port(), IPPROTO_TCP}));
        send_frame(vm.tap(), frame_of({source, destination, everywhere.port(), IPPROTO_TCP}));
        send_frame(vm.tap(), frame_of({source, destination, datagrams.port(), IPPROTO_UDP}));
      }
    }
    leaked_packets(vm.tap(), uplink.get(), 9000);
    vm.connect_guest();
    for (const char* destination : {"10.255.254.1", "10.255.255.1", "10.255.255.2", kHostAddress}) {
      EXPECT_NE(
          vm.guest.run([&] { return ask(Protocol::kTcp, destination, everywhere.port()); }).substr(0, 5),
          "hello");
    }
    EXPECT_FALSE(loopback.was_visited());
    EXPECT_FALSE(everywhere.was_visited());
    EXPECT_FALSE(datagrams.was_visited());
  });
}

// An engine that its guest has taken over lives in the same namespace as pasta0.
TEST_F(NetworkTest, ProcessesBesideTheGuestHaveNoNetwork) {
  in_host([] {
    set_lo_up();
    const Internet internet;
    const TestVm vm(standard_plan({}));
    const Service web(&internet.machine(), Protocol::kTcp, kInternet, 80);
    const Service datagrams(&internet.machine(), Protocol::kUdp, kInternet, 80);
    const Service host_service(nullptr, Protocol::kTcp, "127.0.0.1", 0);
    const Pasta pasta = vm.start_pasta();
    vm.engine.run([&] {
      drop_capabilities();
      EXPECT_EQ(ask(Protocol::kUdp, kInternet, 80), "Operation not permitted");
      EXPECT_EQ(ask(Protocol::kUdp, vm.plan.dns, 53), "Operation not permitted");
      EXPECT_EQ(ask(Protocol::kTcp, "127.0.0.1", host_service.port()), "Connection refused");
      return "";
    });
    EXPECT_FALSE(datagrams.was_visited());
    EXPECT_FALSE(host_service.was_visited());
  });
}

TEST_F(NetworkTest, ThereIsNoIpv6) {
  in_host([] {
    set_lo_up();
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    if (!exists("/proc/net/if_inet6")) return;  // a kernel without IPv6
    EXPECT_EQ(vm.engine.run([] { return read_file("/proc/self/net/if_inet6"); }), "");
  });
}

TEST_F(NetworkTest, TakenPortIsNamedWithItsHolder) {
  in_host([] {
    set_lo_up();
    const Service holder(nullptr, Protocol::kTcp, "127.0.0.1", 0);
    Plan plan = standard_plan({tcp(22), tcp(80)});
    plan.ports[1].host = holder.port();
    const TestVm vm(plan);
    Pasta pasta = Pasta::start({.binary = {}, .plan = vm.plan}, VmNamespaces::of(vm.engine.pid()));
    try {
      pasta.wait_ready(Deadline::after(std::chrono::seconds(10)));
      ADD_FAILURE() << "pasta took a port that was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kBusy) << error.what();
      EXPECT_THAT(error.what(), ::testing::HasSubstr(fmt::format("host port 127.0.0.1:{} is held by {} (pid ",
                                                                 holder.port(), own_name())));
      EXPECT_EQ(pasta.taken_port(), holder.port());
    }
    EXPECT_FALSE(pasta.child()) << "a pasta that failed is gone";
  });
}

TEST_F(NetworkTest, AnAnswerThatIsNotWholeIsNotWaitedFor) {
  in_host([] {
    const TestFolder folder;
    const std::string slow = folder.path() + "/pasta";
    write_file_atomically(AT_FDCWD, slow, "#!/bin/sh\nprintf 12\nexec sleep 60\n", Durability::kNoSync);
    ASSERT_EQ(::chmod(slow.c_str(), 0755), 0);
    const TestVm vm(standard_plan({}));
    Pasta pasta = Pasta::start({.binary = slow, .plan = vm.plan}, VmNamespaces::of(vm.engine.pid()));
    wait_readable(pasta.ready_fd(), Deadline::after(std::chrono::seconds(10)), "half an answer");
    EXPECT_FALSE(pasta.take_answer());
    EXPECT_EQ(code_thrown_by([&] { pasta.wait_ready(Deadline::after(std::chrono::milliseconds(50))); }),
              Code::kTimeout);
  });
}

TEST_F(NetworkTest, AddressThatTheHostHasNotIsSaid) {
  in_host([] {
    set_lo_up();
    const TestVm vm(standard_plan({}));
    Plan plan = vm.plan;
    plan.ports = {{.address = "12.0.0.77", .host = 8080, .guest = 80}};
    Pasta pasta = Pasta::start({.binary = {}, .plan = plan}, VmNamespaces::of(vm.engine.pid()));
    EXPECT_EQ(code_thrown_by([&] { pasta.wait_ready(Deadline::after(std::chrono::seconds(10))); }),
              Code::kInvalidArgument);
  });
}

TEST_F(NetworkTest, PastaIsStartedAgainOnTheSamePorts) {
  in_host([] {
    set_lo_up();
    TestVm vm(standard_plan({tcp(80)}));
    vm.connect_guest();
    const Service web(&vm.guest, Protocol::kTcp, vm.plan.guest_address, 80);
    for (int i = 0; i < 3; ++i) {
      Pasta pasta = vm.start_pasta();
      EXPECT_EQ(ask(Protocol::kTcp, "127.0.0.1", vm.host_port(0)), "hello 10.255.254.1\n");
      pasta.child().signal(SIGKILL);
      ASSERT_TRUE(pasta.child().wait(Deadline::after(std::chrono::seconds(5))));
    }
  });
}

TEST_F(NetworkTest, HostWithoutAnyRouteForwardsPortsAndComesOnlineLater) {
  in_host([] {
    set_lo_up();
    EXPECT_FALSE(inspect_host().has_default_route);
    TestVm vm(standard_plan({tcp(80)}));
    vm.connect_guest();
    const Service web(&vm.guest, Protocol::kTcp, vm.plan.guest_address, 80);
    const Pasta pasta = vm.start_pasta();
    EXPECT_EQ(ask(Protocol::kTcp, "127.0.0.1", vm.host_port(0)), "hello 10.255.254.1\n");
    const Internet internet;
    EXPECT_TRUE(inspect_host().has_default_route);
    const Service far(&internet.machine(), Protocol::kTcp, kInternet, 80);
    EXPECT_EQ(vm.guest.run([] { return ask(Protocol::kTcp, kInternet, 80); }),
              fmt::format("hello {}\n", kHostAddress));
  });
}

TEST_F(NetworkTest, InspectsTheHostsOwnAddresses) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress, "11.0.0.3"});
    EXPECT_EQ(inspect_host().own,
              (std::vector<Prefix>{prefix(kHostAddress), prefix("11.0.0.3"), prefix("127.0.0.0/8")}));
  });
}

TEST_F(NetworkTest, TheRouteOfATransparentProxyMakesNoAddressTheHosts) {
  in_host([] {
    set_lo_up();
    RouteSocket netlink;
    add_proxy_route(netlink);
    EXPECT_EQ(inspect_host().own, std::vector<Prefix>{prefix("127.0.0.0/8")});
  });
}

TEST_F(NetworkTest, PastaEndsWithWhoStartedIt) {
  in_host([] {
    set_lo_up();
    const TestVm vm(standard_plan({tcp(80)}));
    Pipe pids = make_pipe();
    const pid_t starter = ::fork();
    if (starter == 0) {
      Pasta pasta = vm.start_pasta();
      write_all(pids.write_end.get(), std::to_string(pasta.child().pid()), "the pid");
      ::kill(::getpid(), SIGKILL);
    }
    pids.write_end.reset();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const std::string pid = read_to_end(pids.read_end.get(), 64, "the pid");
    ::waitpid(starter, nullptr, 0);
    ASSERT_NE(pid, "");
    int status = 0;
    EXPECT_EQ(::waitpid(std::stoi(pid), &status, 0), std::stoi(pid));  // the test's alarm is the deadline
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
  });
}

TEST_F(NetworkTest, MissingPastaSaysWhatToInstall) {
  const Namespace engine([] { return -1; });
  for (const char* binary : {"/nowhere/pasta", "/nowhere/bin"}) {
    try {
      Pasta::start({.binary = binary, .plan = standard_plan({})}, VmNamespaces::of(engine.pid()));
      ADD_FAILURE() << "started " << binary;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kNotFound) << error.what();
      EXPECT_THAT(error.hint(), ::testing::HasSubstr("apt install passt"));
    }
  }
}

// Whoever may not open /dev/net/tun, or has none, is told how to mend it, by the namespace's set-up and by
// pasta.
TEST_F(NetworkTest, UnusableTunDeviceIsSaid) {
  in_host([] {
    set_lo_up();
    const TestVm vm(standard_plan({}));
    const unsigned long no_devices = MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID;
    ASSERT_EQ(::mount("/dev/net/tun", "/dev/net/tun", nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(::mount(nullptr, "/dev/net/tun", nullptr, no_devices, nullptr), 0) << ::strerror(errno);
    const auto open_tap = [] { make_tap("tap9", ::geteuid()); };
    EXPECT_EQ(code_thrown_by(open_tap), Code::kPermission);
    Pasta pasta = Pasta::start({.binary = {}, .plan = vm.plan}, VmNamespaces::of(vm.engine.pid()));
    try {
      pasta.wait_ready(Deadline::after(std::chrono::seconds(10)));
      ADD_FAILURE() << "pasta works without /dev/net/tun";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kPermission) << error.what();
      EXPECT_THAT(error.what(), ::testing::HasSubstr("/dev/net/tun"));
      EXPECT_NE(error.hint(), "");
    }
    ASSERT_EQ(::mount("none", "/dev/net", "tmpfs", 0, nullptr), 0) << ::strerror(errno);
    EXPECT_EQ(code_thrown_by(open_tap), Code::kUnsupported);
  });
}

}  // namespace
}  // namespace knaller::net
