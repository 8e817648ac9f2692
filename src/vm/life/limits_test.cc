#include "vm/life/limits.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/test_folder.h"
#include "vm/life/limiters.h"

namespace knaller::vm {
namespace {

constexpr uint64_t kMib = 1 << 20;

store::Machine machine(const Limits& limits, store::EngineType engine = store::EngineType::kFirecracker) {
  store::Machine made;
  made.has_base = true;
  made.network_device = true;
  made.engine = engine;
  made.limits = limits;
  return made;
}

TEST(GroupLimits, HoldTheGuestAndWhatItsEngineTakes) {
  const auto limits = group_limits(machine({}));
  EXPECT_GT(limits.memory, (1024 + 128) * kMib);
  EXPECT_GT(group_limits(machine({}, store::EngineType::kQemu)).memory, limits.memory);
  EXPECT_EQ(limits.swap, 1024 * kMib);
  EXPECT_EQ(limits.milli_cpus, UINT64_MAX);
  EXPECT_EQ(limits.cpu_weight, 100U);
}

TEST(GroupLimits, AreWhatWasAskedFor) {
  const auto limits =
      group_limits(machine({.milli_cpus = 500, .cpu_weight = 20, .memory_mib = 300, .processes = 99}));
  EXPECT_EQ(limits.memory, 300 * kMib);
  EXPECT_EQ(limits.processes, 99U);
  EXPECT_EQ(limits.milli_cpus, 500U);
  EXPECT_EQ(limits.cpu_weight, 20U);
  EXPECT_EQ(group_limits(machine({.any_memory = true})).memory, UINT64_MAX);
}

TEST(LeftOut, IsWhatWasAskedForAndTheHostCanNot) {
  const Limits all{.milli_cpus = 500, .cpu_weight = 5, .memory_mib = 300, .processes = 99, .slice = "ci"};
  EXPECT_EQ(left_out(machine(all), {}).size(), 5U);
  const GroupPlace some{.folder = "/x", .controllers = {"memory", "pids"}};
  EXPECT_EQ(left_out(machine(all), some), (std::vector<std::string>{"--cpus", "--cpu-weight"}));
  // Nobody who asked for nothing is refused, nor who asked for what engines keep.
  EXPECT_TRUE(left_out(machine({.disk_bandwidth = {.per_second = 1}}), {}).empty());
  EXPECT_NO_THROW(require_limits(machine({.disk_bandwidth = {.per_second = 1}})));
}

TEST(GroupSpecs, CrossTheHandoverWhole) {
  const monitor::GroupSpec spec{.folder = "/x",
                                .required = true,
                                .limits = {.memory = 7, .milli_cpus = UINT64_MAX, .device = {{"8:0", 5, 0}}}};
  const auto again = monitor::group_spec_from_json(monitor::group_spec_to_json(spec));
  EXPECT_EQ(again.folder, "/x");
  EXPECT_TRUE(again.required);
  EXPECT_EQ(again.limits.memory, 7U);
  EXPECT_EQ(again.limits.milli_cpus, UINT64_MAX);
  EXPECT_EQ(again.limits.swap, std::nullopt);
  ASSERT_TRUE(again.limits.device);
  EXPECT_EQ(again.limits.device->device, "8:0");
  EXPECT_EQ(again.limits.device->bytes, 5U);
}

TEST(Limiters, HoldASecondsWorthUnlessMoreWasAskedFor) {
  const auto limiter = drive_limiter({.disk_bandwidth = {.per_second = 1000}, .disk_operations = {50, 25}});
  ASSERT_TRUE(limiter && limiter->bandwidth && limiter->ops);
  EXPECT_EQ(limiter->bandwidth->size, 1000U);
  EXPECT_EQ(limiter->bandwidth->refill_time_ms, 1000U);
  // 50 a second, and never more than 25 at once.
  EXPECT_EQ(limiter->ops->size, 25U);
  EXPECT_EQ(limiter->ops->refill_time_ms, 500U);
  EXPECT_FALSE(drive_limiter({.network_bandwidth = {.per_second = 1}}));
  EXPECT_FALSE(network_limiter({.disk_bandwidth = {.per_second = 1}}));
}

std::string text_of(const std::vector<firecracker::Request>& requests) {
  std::string text;
  for (const auto& request : requests) text += request.name() + " " + request.body + "\n";
  return text;
}

TEST(LimiterRequests, ChangeEveryDriveAndTheNetwork) {
  const std::string text =
      text_of(limiter_requests(machine({.disk_bandwidth = {7}, .network_bandwidth = {9}})));
  EXPECT_NE(text.find("PATCH /drives/base "), std::string::npos) << text;
  EXPECT_NE(text.find("PATCH /drives/disk "), std::string::npos) << text;
  EXPECT_NE(text.find(R"("bandwidth":{"refill_time":1000,"size":7})"), std::string::npos) << text;
  // What is not limited is lifted.
  EXPECT_NE(text.find(R"("ops":{"refill_time":0,"size":0})"), std::string::npos) << text;
  EXPECT_NE(text.find("PATCH /network-interfaces/eth0 "), std::string::npos) << text;
}

// There the devices of the namespace do it.
TEST(LimiterRequests, LeaveTheNetworkOfQemuAlone) {
  const std::string text =
      text_of(limiter_requests(machine({.network_bandwidth = {9}}, store::EngineType::kQemu)));
  EXPECT_EQ(text.find("network"), std::string::npos) << text;
}

}  // namespace
}  // namespace knaller::vm
