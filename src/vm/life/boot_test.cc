#include "vm/life/boot.h"

#include <gtest/gtest.h>

namespace knaller::vm {
namespace {

const char* const kPublicKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPmmYDvsBQTyPXMvqEv6EkUMTbmk9XM7CY6I6SvVsZ1P knaller web";

store::VmRecord image_record() {
  store::VmRecord record;
  record.name = "web";
  record.guest_protocol = 1;
  record.has_base = true;
  record.has_initrd = true;
  record.has_ssh = true;
  record.ports = {{"127.0.0.1", 8080, 80, Protocol::kTcp}};
  record.boot_args = boot_args(record, {.ssh_key = kPublicKey});
  return record;
}

bool has_arg(const std::string& args, const std::string& arg) {
  return (" " + args + " ").find(" " + arg + " ") != std::string::npos;
}

TEST(BootArgs, AreTheSameForEveryEngine) {
  store::VmRecord record = image_record();
  EXPECT_EQ(boot_args(record, {.ssh_key = kPublicKey}), image_record().boot_args);
}

TEST(BootArgs, TellOurImagesWhatTheyNeed) {
  const std::string args = image_record().boot_args;
  EXPECT_TRUE(has_arg(args, "knaller.root=overlay")) << args;
  EXPECT_TRUE(has_arg(args, "knaller.net=10.255.254.2/30,10.255.254.1,10.255.255.53")) << args;
  EXPECT_TRUE(has_arg(args, "knaller.hostname=web")) << args;
  EXPECT_TRUE(
      has_arg(args, "knaller.key=AAAAC3NzaC1lZDI1NTE5AAAAIPmmYDvsBQTyPXMvqEv6EkUMTbmk9XM7CY6I6SvVsZ1P"))
      << args;
}

TEST(BootArgs, GiveOtherGuestsTheKernelsOwnAddress) {
  store::VmRecord record;
  record.name = "web";
  const std::string args = boot_args(record, {.extra_args = "debug"});
  EXPECT_TRUE(has_arg(args, "ip=10.255.254.2::10.255.254.1:255.255.255.252::eth0:off:10.255.255.53")) << args;
  EXPECT_EQ(args.find("knaller."), std::string::npos) << args;
  EXPECT_TRUE(args.ends_with(" debug")) << args;
}

TEST(BootArgs, NameNoAddressWithoutNetwork) {
  store::VmRecord record = image_record();
  record.network = NetworkMode::kNone;
  EXPECT_EQ(boot_args(record, {}).find("knaller.net"), std::string::npos);
  record.guest_protocol = 0;
  EXPECT_EQ(boot_args(record, {}).find("ip="), std::string::npos);
}

TEST(BootArgs, AClonesHostnameReplacesTheOld) {
  EXPECT_EQ(with_hostname("a knaller.hostname=web b", "web2"), "a knaller.hostname=web2 b");
  EXPECT_EQ(with_hostname("a knaller.hostname=web", "web2"), "a knaller.hostname=web2");
  EXPECT_EQ(with_hostname("a b", "web2"), "a b");
}

TEST(NetworkPlan, ForwardsWhatWasAskedForAlone) {
  const auto plan = network_plan(image_record());
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->ports, image_record().ports);
}

TEST(BootRequests, DescribeTheMachineAndEndWithItsStart) {
  const auto requests = boot_requests(image_record());
  ASSERT_GE(requests.size(), 6u);
  std::string paths;
  for (const auto& request : requests) paths += request.path + " ";
  EXPECT_NE(paths.find("/boot-source"), std::string::npos) << paths;
  EXPECT_LT(paths.find("/drives/base"), paths.find("/drives/disk")) << paths;
  EXPECT_NE(paths.find("/network-interfaces/eth0"), std::string::npos) << paths;
  EXPECT_EQ(requests.back(), firecracker::start_instance());
  for (const auto& request : requests) EXPECT_EQ(request.body.find("\"/"), std::string::npos) << request.body;
}

TEST(BootRequests, LeaveOutWhatOldRecordsSayOfMitigations) {
  store::VmRecord record = image_record();
  const auto boot_source = [&](const std::string& boot_args) {
    record.boot_args = boot_args;
    return boot_requests(record).at(1).body;
  };
  const std::string asked = "console=ttyS0 knaller.root=overlay mitigations=off";
  EXPECT_NE(boot_source("console=ttyS0 mitigations=off knaller.root=overlay mitigations=off").find(asked),
            std::string::npos);
  EXPECT_NE(boot_source(asked).find(asked), std::string::npos);
}

TEST(BootRequests, LeaveOutTheNetworkWhereThereIsNone) {
  store::VmRecord record = image_record();
  record.network = NetworkMode::kNone;
  for (const auto& request : boot_requests(record))
    EXPECT_EQ(request.path.find("network"), std::string::npos);
}

std::string names_of(const std::vector<firecracker::Request>& requests) {
  std::string names;
  for (const auto& request : requests) names += request.name() + ";";
  return names;
}

TEST(BootRequests, LimitEveryDriveAndFirecrackersNetwork) {
  store::VmRecord record = image_record();
  record.network_device = true;
  record.limits = {.disk_bandwidth = {.per_second = 5}, .network_bandwidth = {.per_second = 7}};
  const auto limited = [&] {
    size_t count = 0;
    for (const auto& request : boot_requests(record))
      count += request.body.find("rate_limiter") != std::string::npos ? 1 : 0;
    return count;
  };
  record.engine = store::EngineType::kFirecracker;
  EXPECT_EQ(limited(), 3U);
  EXPECT_EQ(network_plan(record)->bandwidth, Rate{});
  // There the namespace's devices do it.
  record.engine = store::EngineType::kQemu;
  EXPECT_EQ(limited(), 2U);
  EXPECT_EQ(network_plan(record)->bandwidth.per_second, 7U);
  record.limits = {};
  EXPECT_EQ(limited(), 0U);
}

TEST(LoadRequests, SetOtherLimitersBeforeTheGuestRuns) {
  store::VmRecord record = image_record();
  record.network_device = true;
  record.engine = store::EngineType::kFirecracker;
  const auto version = firecracker::parse_version("1.16.1");
  record.limits.disk_bandwidth = {.per_second = 5};
  EXPECT_EQ(names_of(load_requests(version, record, record.limits)), "PUT /snapshot/load;");
  EXPECT_EQ(names_of(load_requests(version, record, {})),
            "PUT /snapshot/load;PATCH /drives/base;PATCH /drives/disk;PATCH /network-interfaces/eth0;PATCH "
            "/vm;");
  EXPECT_NE(load_requests(version, record, {})[0].body.find("\"resume_vm\":false"), std::string::npos);
}

}  // namespace
}  // namespace knaller::vm
