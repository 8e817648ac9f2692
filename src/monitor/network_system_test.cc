// The monitor with a real pasta beside the fake engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/process.h"
#include "base/socket.h"
#include "firecracker/client.h"
#include "monitor/test_vm.h"
#include "net/test_internet.h"

namespace knaller::monitor {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class NetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    vm_.spec.pasta_binary = find_program("pasta");
    if (vm_.spec.pasta_binary.empty()) GTEST_SKIP() << "there is no pasta here";
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun can't be opened here";
    vm_.spec.network = net::standard_plan({{.host = 0, .guest = 22}});
  }

  bool port_is_open(uint16_t port) {
    try {
      connect_tcp("127.0.0.1", port, soon());
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  // Empty for a process that has ended since it was listed.
  std::string name_of(long long pid) {
    std::string name;
    std::ifstream(fmt::format("/proc/{}/comm", pid)) >> name;
    return name;
  }

  // The child of the monitor that is called pasta or (what it executes on most machines) passt.avx2.
  pid_t find_pasta(pid_t monitor) {
    const std::string children = read_file(fmt::format("/proc/{0}/task/{0}/children", monitor));
    for (const auto text : split(trim(children), ' ')) {
      const auto pid = parse_integer(text, 1, 1 << 30);
      if (pid && name_of(*pid).starts_with("pas")) return static_cast<pid_t>(*pid);
    }
    return 0;
  }

  TestVm vm_;
};

TEST_F(NetworkTest, LeasesAPortAndFreesItAtTheEnd) {
  Launch launch = vm_.start();
  ASSERT_TRUE(launch.network());
  const uint16_t port = launch.network()->ports.at(0).host;
  ASSERT_NE(port, 0);
  EXPECT_TRUE(port_is_open(port));
  const Status status = vm_.client().status(soon());
  EXPECT_EQ(status.network, "rootless");
  EXPECT_EQ(status.ports.at(0).host, port);
  const pid_t pasta = find_pasta(launch.monitor_pid());
  ASSERT_NE(pasta, 0);
  vm_.stop(seconds(5), false);
  EXPECT_TRUE(is_gone(pasta));
  EXPECT_FALSE(port_is_open(port));
}

TEST_F(NetworkTest, PastaIsStartedAgainOnTheSamePorts) {
  Launch launch = vm_.start();
  const uint16_t port = launch.network()->ports.at(0).host;
  const pid_t pasta = find_pasta(launch.monitor_pid());
  ASSERT_NE(pasta, 0);
  ASSERT_EQ(::kill(pasta, SIGKILL), 0);
  EXPECT_TRUE(becomes_true(
      [&] {
        const pid_t now = find_pasta(launch.monitor_pid());
        return now != 0 && now != pasta && vm_.client().status(soon()).network == "rootless";
      },
      seconds(5)));
  EXPECT_TRUE(port_is_open(port));
  EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning);
  vm_.stop(seconds(5), true);
}

TEST_F(NetworkTest, AKilledMonitorTakesPastaWithItWithinASecondAndItsPortIsFree) {
  Launch launch = vm_.start();
  const pid_t pasta = find_pasta(launch.monitor_pid());
  ASSERT_NE(pasta, 0);
  ASSERT_EQ(::kill(launch.monitor_pid(), SIGKILL), 0);
  EXPECT_TRUE(becomes_true([&] { return is_gone(pasta) && is_gone(launch.engine_pid()); }, seconds(1)));
  EXPECT_FALSE(port_is_open(launch.network()->ports.at(0).host));
}

TEST_F(NetworkTest, AfterARebootOfTheGuestThePortsAreTheSame) {
  Launch launch = vm_.start();
  const uint16_t port = launch.network()->ports.at(0).host;
  const pid_t pasta = find_pasta(launch.monitor_pid());
  const UniqueFd jail = open_directory(vm_.path("jail"));
  firecracker::Client(jail.get(), "api.sock").apply(firecracker::send_ctrl_alt_del(), soon());
  ASSERT_TRUE(becomes_true(
      [&] {
        const Status status = vm_.client().status(soon());
        return status.reboots == 1 && status.state == RunState::kRunning && status.network == "rootless";
      },
      seconds(10)));
  EXPECT_EQ(vm_.client().status(soon()).ports.at(0).host, port);
  EXPECT_TRUE(port_is_open(port));
  EXPECT_TRUE(is_gone(pasta));
}

TEST_F(NetworkTest, AfterFourDeathsInAMinuteTheVmLivesOnWithoutNetwork) {
  Launch launch = vm_.start();
  for (int death = 0; death < 4; ++death) {
    pid_t pasta = 0;
    ASSERT_TRUE(becomes_true(
        [&] {
          pasta = vm_.client().status(soon()).network == "rootless" ? find_pasta(launch.monitor_pid()) : 0;
          return pasta != 0;
        },
        seconds(5)));
    ASSERT_EQ(::kill(pasta, SIGKILL), 0);
    ASSERT_TRUE(becomes_true([&] { return is_gone(pasta); }, seconds(5)));
  }
  ASSERT_TRUE(becomes_true([&] { return vm_.client().status(soon()).network == "down"; }, seconds(5)));
  const Status status = vm_.client().status(soon());
  EXPECT_THAT(status.network_reason, HasSubstr("4 times within a minute"));
  EXPECT_EQ(status.state, RunState::kRunning);
  EXPECT_EQ(find_pasta(launch.monitor_pid()), 0);
  vm_.stop(seconds(5), true);
}

TEST_F(NetworkTest, ATakenPortUndoesTheStartAndNamesIt) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t taken = ntohs(address.sin_port);
  vm_.spec.network = net::standard_plan({{.host = 0, .guest = 22}, {.host = taken, .guest = 80}});
  try {
    vm_.begin();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBusy);
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(taken)));
    EXPECT_THAT(error.hint(), Not(HasSubstr("last lines of")));
  }
  EXPECT_THAT(vm_.entries(), IsEmpty());
}

TEST_F(NetworkTest, AMissingPastaUndoesTheStartAndNamesIt) {
  vm_.spec.pasta_binary = "/nowhere/pasta";
  try {
    vm_.begin();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("pasta"));
  }
  EXPECT_THAT(vm_.entries(), IsEmpty());
}

// A host that the test may change, and a guest behind the fake engine's TAP.
class ChangingHostTest : public NetworkTest {
 protected:
  // Inside of net::in_host().
  struct Running {
    explicit Running(TestVm& vm)
        : launch(vm.start()),
          card(std::move(net::VmNamespaces::of(launch.engine_pid())
                             .open_inside([] {
                               std::vector<UniqueFd> tap;
                               tap.push_back(net::attach("tap0", IFF_TAP));
                               return tap;
                             })
                             .at(0))),
          guest([] { return net::set_up_guest(net::standard_plan({})); }),
          cable(card.get(), guest.fd()) {}

    std::string reach(const std::string& address, uint16_t port) const {
      return guest.run([&] { return net::ask(Protocol::kTcp, address, port); });
    }

    Launch launch;
    UniqueFd card;
    net::Namespace guest;
    net::Cable cable;
  };
};

TEST_F(ChangingHostTest, AnAddressThatTheHostGetsIsOutOfReachAtOnce) {
  if (const std::string reason = net::namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
  net::in_host([this] {
    net::set_lo_up();
    const net::Internet internet;
    const net::Service everywhere(nullptr, Protocol::kTcp, "0.0.0.0", 0);
    const net::Service far(&internet.machine(), Protocol::kTcp, net::kInternet, 80);
    const Running vm(vm_);
    const std::string greeting = fmt::format("hello {}\n", net::kHostAddress);
    EXPECT_EQ(vm.reach(net::kInternet, 80), greeting);
    const UniqueFd dummy = net::attach("new0", IFF_TUN);
    net::RouteSocket netlink;
    net::set_up(netlink, "new0");
    net::add_address(netlink, "new0", "14.0.0.7", 24);
    EXPECT_TRUE(becomes_true([&] { return vm.reach("14.0.0.7", everywhere.port()) == "No route to host"; },
                             seconds(5)));
    EXPECT_EQ(vm.reach("14.0.0.8", 80), "No route to host") << "nor is its neighbour";
    EXPECT_EQ(vm.reach(net::kInternet, 80), greeting);
    vm_.stop(seconds(5), true);
  });
}

TEST_F(ChangingHostTest, WhatIsAskedForTogetherIsChangedTogetherOrNotAtAll) {
  if (const std::string reason = net::namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
  net::in_host([this] {
    net::set_lo_up();
    const net::Internet internet;
    const net::Service far(&internet.machine(), Protocol::kTcp, net::kInternet, 80);
    const Running vm(vm_);
    const std::string greeting = fmt::format("hello {}\n", net::kHostAddress);
    const Egress none{.mode = EgressMode::kNone, .allow = {}, .deny = {}};
    const Egress wrong{.mode = EgressMode::kNone, .allow = {{.to = "127.0.0.1"}}, .deny = {}};
    const auto set = [this](const Egress& egress, const LimitsChange& limits) {
      return code_thrown_by([&] { vm_.client().set({.egress = egress, .limits = limits}, soon()); });
    };
    LimitsChange limits;
    limits.requests = {{"PATCH", "/drives/nowhere", "{}"}};
    EXPECT_EQ(set(none, limits), Code::kEngineRefused);
    EXPECT_EQ(vm_.client().status(soon()).egress, Egress{});
    EXPECT_EQ(vm.reach(net::kInternet, 80), greeting);
    limits.requests = {{"PATCH", "/vm", R"({"state": "Paused"})"}};
    EXPECT_EQ(set(wrong, limits), Code::kInvalidArgument);
    EXPECT_EQ(vm_.client().status(soon()).state, RunState::kRunning) << "the engine was told";
    limits.requests = {};
    EXPECT_EQ(set(none, limits), std::nullopt);
    EXPECT_EQ(vm.reach(net::kInternet, 80), "No route to host");
    vm_.stop(seconds(5), true);
  });
}

TEST_F(ChangingHostTest, WhereTheGuestMayConnectToChangesWhileItRunsAndStaysAfterAReboot) {
  if (const std::string reason = net::namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
  net::in_host([this] {
    net::set_lo_up();
    const net::Internet internet;
    const net::Service far(&internet.machine(), Protocol::kTcp, net::kInternet, 80);
    const Running vm(vm_);
    const Egress none{.mode = EgressMode::kNone, .allow = {}, .deny = {}};
    vm_.client().set({.egress = none, .limits = {}}, soon());
    EXPECT_EQ(vm.reach(net::kInternet, 80), "No route to host");
    EXPECT_EQ(vm_.client().status(soon()).egress, none);
    const Egress wrong{.mode = EgressMode::kNone, .allow = {{.to = "127.0.0.1"}}, .deny = {}};
    EXPECT_EQ(code_thrown_by([&] { vm_.client().set({.egress = wrong, .limits = {}}, soon()); }),
              Code::kInvalidArgument);
    EXPECT_EQ(vm_.client().status(soon()).egress, none);
    const UniqueFd jail = open_directory(vm_.path("jail"));
    firecracker::Client(jail.get(), "api.sock").apply(firecracker::send_ctrl_alt_del(), soon());
    ASSERT_TRUE(becomes_true(
        [&] {
          const Status status = vm_.client().status(soon());
          return status.reboots == 1 && status.state == RunState::kRunning && status.network == "rootless";
        },
        seconds(10)));
    EXPECT_EQ(vm_.client().status(soon()).egress, none);
    vm_.stop(seconds(5), true);
  });
}

}  // namespace
}  // namespace knaller::monitor
