#include "store/limits.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace knaller::store {
namespace {

Limits all() {
  return {.milli_cpus = 1500,
          .cpu_weight = 50,
          .memory_mib = 700,
          .processes = 200,
          .slice = "ci.slice/builds",
          .best_effort = true,
          .disk_bandwidth = {.per_second = 20 << 20, .burst = 40 << 20},
          .disk_operations = {.per_second = 1000},
          .network_bandwidth = {.per_second = 10 << 20}};
}

TEST(LimitsJson, KeepsAllOfThemAndNothingThatIsNotLimited) {
  EXPECT_EQ(limits_from_json(limits_to_json(all()), "test"), all());
  const Limits any{.any_memory = true};
  EXPECT_EQ(limits_from_json(limits_to_json(any), "test"), any);
  EXPECT_EQ(limits_to_json({}), Json::object());
  EXPECT_EQ(limits_from_json(Json::object(), "test"), Limits{});
}

TEST(LimitsJson, IsRefusedWhenItMeansNothing) {
  for (const char* text :
       {R"({"milli_cpus":-1})", R"({"milli_cpus":1})", R"({"milli_cpus":33000})", R"({"cpu_weight":10001})",
        R"({"processes":3})", R"({"disk_bandwidth":20})", R"({"disk_bandwidth":{"burst":1}})",
        R"({"network_bandwidth":{"per_second":1000,"burst":99}})",
        R"({"network_bandwidth":{"per_second":1000,"burst":4000000}})",
        R"({"memory_mib":100,"any_memory":true})", R"({"slice":7})"}) {
    try {
      limits_from_json(Json::parse(text), "vm.json: limits");
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCorrupt) << text;
    }
  }
}

TEST(LimitChanges, TakeThePlaceOfWhatIsThereAndLeaveTheRest) {
  const Limits limits = with_changes(all(), {.milli_cpus = 0, .disk_bandwidth = Rate{}});
  EXPECT_EQ(limits.milli_cpus, 0U);
  EXPECT_EQ(limits.disk_bandwidth, Rate{});
  EXPECT_EQ(limits.cpu_weight, 50U);
  EXPECT_EQ(limits.network_bandwidth, all().network_bandwidth);
  EXPECT_EQ(with_changes(all(), {}), all());
}

TEST(LimitChanges, CanBeAllOfThem) {
  EXPECT_EQ(with_changes({}, as_changes(all())), all());
  EXPECT_EQ(with_changes(all(), as_changes({})), Limits{});
  const Limits any{.any_memory = true};
  EXPECT_EQ(with_changes(all(), as_changes(any)), any);
}

TEST(LimitChanges, OfMemoryAreOneOrTheOther) {
  const Limits any = with_changes(all(), {.any_memory = true});
  EXPECT_EQ(any.memory_mib, 0U);
  EXPECT_TRUE(any.any_memory);
  const Limits some = with_changes(any, {.memory_mib = 500});
  EXPECT_EQ(some.memory_mib, 500U);
  EXPECT_FALSE(some.any_memory);
}

TEST(LimitsOfAGroup, AreThoseThatNoEngineKeeps) {
  EXPECT_FALSE(needs_group({}));
  EXPECT_FALSE(
      needs_group({.any_memory = true, .best_effort = true, .disk_bandwidth = {.per_second = 1 << 20}}));
  EXPECT_TRUE(needs_group({.milli_cpus = 500}));
  EXPECT_TRUE(needs_group({.slice = "ci"}));
}

}  // namespace
}  // namespace knaller::store
