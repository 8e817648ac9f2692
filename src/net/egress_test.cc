#include "net/egress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "net/name_servers.h"
#include "net/rules.h"
#include "net/udp_sources.h"

namespace knaller::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

EgressRule rule(const std::string& to, uint16_t port = 0, std::optional<Protocol> protocol = {}) {
  return {.to = to, .port = port, .protocol = protocol};
}

TEST(EgressTest, RulesThatMeanNothingAreRefused) {
  for (const auto& wrong :
       {rule(""), rule("web.example"), rule("10.0.0.0/33"), rule("10.1.2.3/8"), rule("::1"),
        rule("fe80::/10"), rule("10.0.0.1; accept"), rule("10.0.0.1", 0, Protocol::kUdp), rule("dns", 53)}) {
    EXPECT_EQ(code_thrown_by([&] { check_egress({.allow = {wrong}, .deny = {}}); }), Code::kInvalidArgument)
        << to_text(wrong);
    EXPECT_EQ(code_thrown_by([&] { check_egress({.allow = {}, .deny = {wrong}}); }), Code::kInvalidArgument);
  }
  // Not to be reached by anybody, so it may be denied, and not allowed.
  for (const char* never : {"127.0.0.1", "0.0.0.0", "224.0.0.251", "255.255.255.255"}) {
    EXPECT_EQ(code_thrown_by([&] { check_egress({.allow = {rule(never, 80)}, .deny = {}}); }),
              Code::kInvalidArgument);
    EXPECT_NO_THROW(check_egress({.allow = {}, .deny = {rule(never)}}));
  }
  EXPECT_NO_THROW(check_egress(
      {.allow = {rule("0.0.0.0/0", 443), rule("10.0.0.5", 53, Protocol::kUdp), rule("dns")}, .deny = {}}));
}

std::string chain_of(const std::string& rules, const std::string& name) {
  const size_t begin = rules.find("chain " + name + " {");
  return rules.substr(begin, rules.find("  }\n", begin) - begin);
}

std::string rules_with(const Egress& egress) {
  Plan plan = standard_plan({});
  plan.egress = egress;
  return render_rules(
      plan, {.has_default_route = true, .own = {prefix("11.0.0.2")}, .networks = {prefix("13.0.0.0/24")}});
}

TEST(RulesTest, AnAllowanceIsAsFarReachingAsItsWords) {
  const std::string egress =
      chain_of(rules_with({.allow = {rule("13.0.0.7"), rule("12.0.0.0/6"), rule("11.0.0.2", 80)},
                           .deny = {rule("12.0.0.9", 25)}}),
               "egress");
  const auto at = [&egress](const std::string& text) {
    EXPECT_THAT(egress, HasSubstr(text));
    return egress.find(text);
  };
  const size_t denied = at("ip daddr 12.0.0.9 meta l4proto { tcp, udp } th dport 25 goto refuse");
  const size_t of_host = at("ip daddr 11.0.0.2 meta l4proto { tcp, udp } th dport 80 goto limits");
  const size_t own = at("ip daddr { 11.0.0.2 } goto refuse");
  const size_t private_one = at("ip daddr 13.0.0.7 goto limits");
  const size_t blocked = at("13.0.0.0/24");
  const size_t public_one = at("ip daddr 12.0.0.0/6 goto limits");
  EXPECT_LT(at("127.0.0.0/8"), denied);
  EXPECT_LT(denied, of_host);
  EXPECT_LT(of_host, own);
  EXPECT_LT(own, private_one);
  EXPECT_LT(private_one, blocked);
  EXPECT_LT(blocked, public_one);
}

TEST(RulesTest, NoneIsNoNamesEither) {
  const std::string closed = rules_with({.mode = EgressMode::kNone, .allow = {}, .deny = {}});
  EXPECT_THAT(chain_of(closed, "egress"), Not(HasSubstr("goto limits")));
  EXPECT_THAT(chain_of(closed, "names"), Not(HasSubstr("accept")));
  const std::string names = rules_with({.mode = EgressMode::kNone, .allow = {rule("dns")}, .deny = {}});
  EXPECT_THAT(chain_of(names, "names"), HasSubstr("accept"));
  EXPECT_THAT(chain_of(names, "egress"), Not(HasSubstr("goto limits")));
  EXPECT_THAT(chain_of(rules_with({.allow = {}, .deny = {rule("dns")}}), "names"), Not(HasSubstr("accept")));
  EXPECT_THAT(chain_of(rules_with({}), "names"), HasSubstr("accept"));
}

TEST(UdpSourcesTest, BlocksAreOutsideOfWhatIsHandedOutAndOfWhatIsTaken) {
  const auto blocks = free_blocks({32768, 60999}, {16384, 20000, 61500});
  EXPECT_GT(blocks.size(), 100U);
  for (const int block : blocks) {
    EXPECT_TRUE(block + 255 < 32768 || block > 60999) << block;
    for (const int port : {16384, 20000, 61500}) EXPECT_FALSE(port >= block && port < block + 256) << port;
  }
  EXPECT_GE(blocks.front(), 16384);
  EXPECT_FALSE(free_blocks({1024, 65535}, {}).empty()) << "a host that hands out everything";
}

TEST(NameServersTest, AreReadAsResolversReadThem) {
  const auto servers = parse_name_servers(
      "# nameserver 1.1.1.1\nsearch example\nnameserver 192.168.1.1\nnameserver\t::1 # local\nnameserver "
      "web\n"
      "nameserver10.0.0.1\nnameserver 127.0.0.53\nnameserver 9.9.9.9\n");
  ASSERT_EQ(servers.size(), 3U);
  EXPECT_EQ(servers[0].text, "192.168.1.1");
  EXPECT_EQ(servers[1].text, "::1");
  EXPECT_EQ(servers[1].address.ss_family, AF_INET6);
  EXPECT_EQ(servers[2].text, "127.0.0.53");
}

TEST(NameServersTest, FollowTheFile) {
  const TestFolder folder;
  NameServers servers(folder.path("resolv.conf"));
  EXPECT_TRUE(servers.now().empty());
  write_file_atomically(folder.fd(), "resolv.conf", "nameserver 10.0.0.1\n");
  ASSERT_EQ(servers.now().size(), 1U);
  write_file_atomically(folder.fd(), "resolv.conf", "nameserver 10.0.0.2\n");
  ASSERT_EQ(servers.now().size(), 1U);
  EXPECT_EQ(servers.now()[0].text, "10.0.0.2");
}

}  // namespace
}  // namespace knaller::net
