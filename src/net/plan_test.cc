#include "net/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "net/pasta.h"
#include "net/ports.h"
#include "net/rules.h"

namespace knaller::net {
namespace {

// Values that the Go program's own functions give for these names.
TEST(GoPlanTest, DerivesWhatTheGoProgramDoes) {
  const Plan web = go_plan("web", {});
  EXPECT_EQ(web.tap, "kn-web");
  EXPECT_EQ(web.tap_mac, "AA:FC:01:00:00:00");
  EXPECT_EQ(web.guest_mac, "AA:FC:00:4B:5E:57");
  EXPECT_EQ(web.gateway, "172.16.11.121");
  EXPECT_EQ(web.guest_address, "172.16.11.122");
  const Plan longer = go_plan("my-long-vm-name", {});
  EXPECT_EQ(longer.tap, "kn-my-long-");
  EXPECT_EQ(longer.guest_mac, "AA:FC:00:D2:09:E7");
  EXPECT_EQ(longer.guest_address, "172.16.18.38");
  EXPECT_NO_THROW(check_plan(web));
}

TEST(PlanTest, RefusesWhatMustNotReachTheKernelOrNft) {
  const auto code_with = [](const std::function<void(Plan&)>& change) {
    Plan plan = standard_plan({{.host = 8080, .guest = 80}});
    change(plan);
    return code_thrown_by([&] { check_plan(plan); });
  };
  EXPECT_EQ(code_with([](Plan&) {}), std::nullopt);
  for (const char* tap : {"", ".", "..", "lo", "pasta0", "shaper0", "tap 0", "tap0\" accept", "a/b",
                          "sixteen-letters-", "t\xff"}) {
    EXPECT_EQ(code_with([&](Plan& plan) { plan.tap = tap; }), Code::kInvalidArgument) << tap;
  }
  for (const char* address : {"", "1.2.3", "1.2.3.4.5", "::1", "1.2.3.4; drop", "1.2.3.256"}) {
    EXPECT_EQ(code_with([&](Plan& plan) { plan.guest_address = address; }), Code::kInvalidArgument)
        << address;
    EXPECT_EQ(code_with([&](Plan& plan) { plan.dns = address; }), Code::kInvalidArgument) << address;
    EXPECT_EQ(code_with([&](Plan& plan) { plan.ports[0].address = address; }), Code::kInvalidArgument)
        << address;
  }
  for (const char* mac :
       {"", "06:00:0a:ff:fe", "06:00:0a:ff:fe:0g", "06-00-0a-ff-fe-01", "06:00:0a:ff:fe:001"}) {
    EXPECT_EQ(code_with([&](Plan& plan) { plan.guest_mac = mac; }), Code::kInvalidArgument) << mac;
  }
  EXPECT_EQ(code_with([](Plan& plan) { plan.ports[0].guest = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code_with([](Plan& plan) { plan.prefix = 0; }), Code::kInvalidArgument);
}

TEST(PlanTest, OneHostPortServesOneForward) {
  const PortForward tcp{.host = 8080, .guest = 80};
  PortForward elsewhere = tcp;
  elsewhere.address = "127.0.0.2";
  PortForward udp = tcp;
  udp.protocol = Protocol::kUdp;
  PortForward leased = tcp;
  leased.host = 0;
  const auto code_of = [](std::vector<PortForward> ports) {
    return code_thrown_by([&] { check_plan(standard_plan(ports)); });
  };
  EXPECT_EQ(code_of({tcp, tcp}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({tcp, elsewhere}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({tcp, udp, leased, leased}), std::nullopt);
}

TEST(PortsTest, LeasesDifferentPortsAndKeepsThoseAskedFor) {
  const Plan plan = lease_ports(standard_plan({{.guest = 22}, {.host = 8080, .guest = 80}, {.guest = 81}}));
  EXPECT_NE(plan.ports[0].host, 0);
  EXPECT_EQ(plan.ports[1].host, 8080);
  EXPECT_NE(plan.ports[2].host, 0);
  EXPECT_NE(plan.ports[0].host, plan.ports[2].host);
}

TEST(PastaTest, NeverShowsTheHostsLoopback) {
  const auto arguments =
      pasta_arguments({.binary = "/usr/bin/pasta",
                       .plan = standard_plan({{.host = 8080, .guest = 80},
                                              {.host = 5353, .guest = 53, .protocol = Protocol::kUdp}})},
                      42, false);
  std::string line;
  for (const auto& argument : arguments) line += argument + " ";
  for (const char* part :
       {"-f ", "-4 ", "--no-map-gw ", "-T none ", "-U none ", "-t 127.0.0.1/8080:80 ",
        "-u 127.0.0.1/5353:5353 ", "--userns /proc/42/ns/user ", "--netns /proc/42/ns/net "}) {
    EXPECT_THAT(line, ::testing::HasSubstr(part));
  }
  EXPECT_THAT(line, ::testing::Not(::testing::HasSubstr("--runas")));
}

TEST(RulesTest, BlockTheHostsOwnAddressesAndForwardEachPortOnce) {
  const HostNetwork host{.has_default_route = true, .own = {prefix("11.2.3.4")}, .networks = {}};
  const PortForward names{.host = 5353, .guest = 53, .protocol = Protocol::kUdp};
  const std::string rules =
      render_rules(standard_plan({{.host = 1, .guest = 80}, {.host = 2, .guest = 80}, names}), host);
  EXPECT_THAT(rules, ::testing::HasSubstr("ip daddr { 11.2.3.4 } goto refuse"));
  const std::string line = "iifname \"pasta0\" tcp dport 80 dnat ip to 10.255.254.2\n";
  EXPECT_THAT(rules, ::testing::HasSubstr(line));
  EXPECT_EQ(rules.find(line), rules.rfind(line));
  EXPECT_THAT(rules, ::testing::HasSubstr("udp dport 5353 dnat ip to 10.255.254.2:53\n"));
  const Plan unleased = standard_plan({{.guest = 53, .protocol = Protocol::kUdp}});
  EXPECT_EQ(code_thrown_by([&] { render_rules(unleased, host); }), Code::kInvalidArgument);
  EXPECT_NO_THROW(render_rules(lease_udp_ports(unleased), host));
}

}  // namespace
}  // namespace knaller::net
