#include "net/host.h"

#include <gtest/gtest.h>

namespace knaller::net {
namespace {

HostRoute route(const char* destination, uint32_t device) {
  return {.destination = prefix(destination), .device = device};
}

TEST(PrefixTest, IsParsedAndContains) {
  EXPECT_EQ(to_text(prefix("10.1.2.3/8")), "10.0.0.0/8");
  EXPECT_EQ(to_text(prefix("10.1.2.3")), "10.1.2.3");
  EXPECT_EQ(to_text(prefix("0.0.0.0/0")), "0.0.0.0/0");
  for (const char* text :
       {"", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::1", "10.0.0.0/8/8", " 10.0.0.1"})
    EXPECT_EQ(parse_prefix(text), std::nullopt) << text;
  EXPECT_TRUE(prefix("0.0.0.0/0").contains(prefix("255.255.255.255")));
  EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/7")));
  EXPECT_FALSE(prefix("10.0.0.0/8").contains(prefix("11.0.0.0/16")));
}

TEST(PrefixTest, NestedOnesAreLeftOut) {
  EXPECT_EQ(without_nested({prefix("10.1.0.0/16"), prefix("11.0.0.1"), prefix("10.0.0.0/8"),
                            prefix("10.0.0.0/9"), prefix("11.0.0.1")}),
            (std::vector<Prefix>{prefix("10.0.0.0/8"), prefix("11.0.0.1")}));
}

TEST(HostNetworkTest, IsOfAddressesLinksAndRoutes) {
  const HostNetwork host = summarize({
      {.destination = prefix("0.0.0.0/0"), .device = 2},
      {.destination = prefix("127.0.0.0/8"), .local = true, .connected = true, .device = 1},
      {.destination = prefix("13.0.0.1"), .local = true, .connected = true, .device = 2},
      {.destination = prefix("13.0.0.0/24"), .connected = true, .device = 2},
      route("14.0.0.0/8", 3),  // a company's, through its VPN
      route("15.0.0.7", 2),
  });
  EXPECT_TRUE(host.has_default_route);
  EXPECT_EQ(host.own, (std::vector<Prefix>{prefix("13.0.0.1"), prefix("127.0.0.0/8")}));
  EXPECT_EQ(host.networks,
            (std::vector<Prefix>{prefix("13.0.0.0/24"), prefix("14.0.0.0/8"), prefix("15.0.0.7")}));
}

TEST(HostNetworkTest, ADefaultRouteInPiecesIsNoNetwork) {
  // As OpenVPN does it; the link is still one.
  HostNetwork host = summarize({route("0.0.0.0/1", 5),
                                route("128.0.0.0/1", 5),
                                {.destination = prefix("13.0.0.0/24"), .connected = true, .device = 5},
                                route("14.0.0.0/16", 6)});
  EXPECT_TRUE(host.has_default_route);
  EXPECT_EQ(host.networks, (std::vector<Prefix>{prefix("13.0.0.0/24"), prefix("14.0.0.0/16")}));
  // As WireGuard's "all but private addresses", of which these are some.
  host = summarize({route("0.0.0.0/5", 5), route("8.0.0.0/7", 5), route("11.0.0.0/8", 5),
                    route("12.0.0.0/6", 5), route("16.0.0.0/4", 5), route("32.0.0.0/3", 5),
                    route("64.0.0.0/2", 5), route("172.64.0.0/10", 5), route("173.0.0.0/8", 5)});
  EXPECT_TRUE(host.has_default_route);
  EXPECT_EQ(host.networks, std::vector<Prefix>());
}

TEST(HostNetworkTest, TheRouteOfATransparentProxyMakesNoAddressTheHosts) {
  const HostNetwork host = summarize({{.destination = prefix("0.0.0.0/0"), .local = true, .device = 1}});
  EXPECT_FALSE(host.has_default_route);
  EXPECT_EQ(host.own, std::vector<Prefix>());
}

}  // namespace
}  // namespace knaller::net
