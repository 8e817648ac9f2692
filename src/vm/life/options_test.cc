// What users may ask for, and what not.
#include <gtest/gtest.h>

#include <functional>
#include <type_traits>
#include <utility>

#include "base/test_folder.h"
#include "knaller/manager.h"
#include "vm/life/options.h"

namespace knaller::vm {
namespace {

void expect_refused(const VmOptions& options) {
  EXPECT_EQ(code_thrown_by([&] { check_options(options); }), Code::kInvalidArgument);
}

// Whoever ties a VM gets the tie, whose destruction ends the VM.
static_assert(std::is_same_v<decltype(std::declval<Manager&>().restart("web")), Started>);

TEST(CheckOptions, AcceptsTheDefaults) {
  EXPECT_NO_THROW(check_options({}));
  EXPECT_NO_THROW(check_options({.name = "web", .image = "debian", .vcpus = 32, .memory_mib = 4096}));
}

TEST(CheckOptions, RefusesNumbersOutOfRange) {
  expect_refused({.memory_mib = 0});
  expect_refused({.memory_mib = 31});
  expect_refused({.memory_mib = uint64_t{1} << 40});
  expect_refused({.vcpus = 0});
  expect_refused({.vcpus = 33});
  expect_refused({.disk_mib = uint64_t{1} << 60});
}

TEST(CheckOptions, RefusesHalfAGuest) {
  expect_refused({.kernel = "k"});
  expect_refused({.rootfs = "r"});
  expect_refused({.initrd = "i"});
  expect_refused({.image = "tiny", .kernel = "k", .rootfs = "r"});
}

TEST(CheckOptions, RefusesKernelArgumentsThatAreNoLine) {
  expect_refused({.kernel_args = "a\nb"});
  expect_refused({.kernel_args = "\xff"});
  expect_refused({.kernel_args = std::string(5000, 'x')});
}

TEST(CheckOptions, RefusesTheSameHostPortTwice) {
  expect_refused({.ports = {parse_port("8080:80"), parse_port("8080:81")}});
  expect_refused({.ports = {parse_port("8080:80"), parse_port("0.0.0.0:8080:81")}});
  EXPECT_NO_THROW(check_options({.ports = {parse_port("8080:80"), parse_port("8080:81/udp")}}));
  EXPECT_NO_THROW(check_options({.ports = {parse_port("0:80"), parse_port("0:81")}}));
}

TEST(CheckOptions, RefusesPortsWithoutNetwork) {
  expect_refused({.network = NetworkMode::kNone, .ports = {parse_port("8080:80")}});
}

TEST(ParsePort, ReadsEveryForm) {
  EXPECT_EQ(parse_port("8080:80"), (PortForward{"127.0.0.1", 8080, 80, Protocol::kTcp}));
  EXPECT_EQ(parse_port("0:80"), (PortForward{"127.0.0.1", 0, 80, Protocol::kTcp}));
  EXPECT_EQ(parse_port("0.0.0.0:53:5353/udp"), (PortForward{"0.0.0.0", 53, 5353, Protocol::kUdp}));
}

TEST(ParsePort, RefusesEverythingElse) {
  for (const char* text :
       {"",       ":",      "80",         "80:",    ":80",       "70000:80",   "80:70000",    "80:0",
        "-1:80",  "a:b",    "80:80/icmp", "80:80/", "::1:80:80", "host:80:80", "1.2.3:80:80", "1:2:3:4:5",
        " 80:80", "80 :80", "0x50:80",    "80:80\n"})
    EXPECT_EQ(code_thrown_by([&] { parse_port(text); }), Code::kInvalidArgument) << text;
}

TEST(ParseEgressRule, ReadsEveryForm) {
  const EgressRule network{.to = "10.0.0.0/8", .port = 0, .protocol = {}};
  EXPECT_EQ(parse_egress_rule("10.0.0.0/8"), network);
  const EgressRule port{.to = "10.0.0.0/8", .port = 443, .protocol = {}};
  EXPECT_EQ(parse_egress_rule("10.0.0.0/8:443"), port);
  const EgressRule udp{.to = "10.0.0.5", .port = 53, .protocol = Protocol::kUdp};
  EXPECT_EQ(parse_egress_rule("10.0.0.5:53/udp"), udp);
  EXPECT_EQ(parse_egress_rule("dns").to, "dns");
  for (const char* text : {"10.0.0.0/8", "10.0.0.0/8:443", "10.0.0.5:53/udp", "0.0.0.0/0:80/tcp", "dns"})
    EXPECT_EQ(to_string(parse_egress_rule(text)), text);
}

TEST(ParseEgressRule, RefusesEverythingElse) {
  for (const char* text :
       {"", ":", ":80", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:70000", "10.0.0.5:80/icmp", "10.0.0.5/tcp",
        "10.0.0.5:80/", "10.1.2.3/8", "10.0.0.0/33", "::1", "[::1]:80", "fe80::/10", "web.example", "dns:53",
        "10.0.0.5 ", "10.0.0.5:80:81", "10.0.0.5; accept"})
    EXPECT_EQ(code_thrown_by([&] { parse_egress_rule(text); }), Code::kInvalidArgument) << text;
}

TEST(CheckOptions, RefusesEgressThatMeansNothing) {
  const Egress none{.mode = EgressMode::kNone, .allow = {}, .deny = {}};
  expect_refused({.network = NetworkMode::kNone, .egress = none});
  expect_refused({.egress = {.allow = {parse_egress_rule("127.0.0.1:80")}, .deny = {}}});
  EXPECT_NO_THROW(check_options({.egress = none}));
}

}  // namespace
}  // namespace knaller::vm
