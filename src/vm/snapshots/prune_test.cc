#include "vm/snapshots/prune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knaller::vm {
namespace {

using std::chrono::hours;

const SystemTime kNow = SystemTime(std::chrono::seconds(1'800'000'000));

SnapshotInfo snapshot(const std::string& id, const std::string& vm, int hours_ago,
                      std::map<std::string, std::string> labels = {}) {
  SnapshotInfo info;
  info.id = id;
  info.vm_name = vm;
  info.created_at = kNow - hours(hours_ago);
  info.labels = std::move(labels);
  return info;
}

std::string chosen(std::vector<SnapshotInfo> snapshots, const PruneOptions& options) {
  std::string ids;
  for (const SnapshotInfo& info : choose_prunable(std::move(snapshots), options, kNow))
    ids += (ids.empty() ? "" : " ") + info.id;
  return ids;
}

const std::vector<SnapshotInfo> kSome{snapshot("c", "web", 1), snapshot("a", "web", 30),
                                      snapshot("b", "web", 5), snapshot("d", "db", 40),
                                      snapshot("e", "db", 2, {{"stage", "ci"}})};

TEST(PruneTest, TheLastOfEachVmStay) {
  EXPECT_EQ(chosen(kSome, {.keep_last = 1}), "d a b");
  EXPECT_EQ(chosen(kSome, {.keep_last = 2}), "a");
  EXPECT_EQ(chosen(kSome, {.keep_last = 0}), "d a b e c");
  EXPECT_EQ(chosen(kSome, {.keep_last = 99}), "");
}

TEST(PruneTest, WhatIsYoungerStays) {
  EXPECT_EQ(chosen(kSome, {.max_age = hours(24)}), "d a");
  EXPECT_EQ(chosen(kSome, {.max_age = hours(2)}), "d a b e");
  EXPECT_EQ(chosen(kSome, {.keep_last = 2, .max_age = hours(24)}), "a");
  EXPECT_EQ(chosen(kSome, {.max_age = std::chrono::milliseconds::max()}), "");
}

TEST(PruneTest, RulesCountAmongWhatMatches) {
  EXPECT_EQ(chosen(kSome, {.vm = "db"}), "d e");
  EXPECT_EQ(chosen(kSome, {.vm = "db", .keep_last = 1}), "d");
  EXPECT_EQ(chosen(kSome, {.labels = {{"stage", std::nullopt}}}), "e");
  EXPECT_EQ(chosen(kSome, {.labels = {{"stage", "ci"}}}), "e");
  EXPECT_EQ(chosen(kSome, {.labels = {{"stage", "prod"}}}), "");
  EXPECT_EQ(chosen(kSome, {.labels = {{"stage", "ci"}, {"other", std::nullopt}}}), "");
}

// Of one that a hostile archive made look like the newest of "web".
TEST(PruneTest, ImportedOnesAreOfNoVmAndAsOldAsTheirImport) {
  std::vector<SnapshotInfo> some = kSome;
  some.push_back(snapshot("x", "web", -1000, {{"stage", "ci"}}));
  some.back().imported = kNow - hours(10);
  EXPECT_EQ(chosen(some, {.keep_last = 1}), "d a b");
  EXPECT_EQ(chosen(some, {.vm = "web"}), "a b c");
  EXPECT_EQ(chosen(some, {.vm = "web", .keep_last = 1}), "a b");
  EXPECT_EQ(chosen(some, {.max_age = hours(24)}), "d a");
  EXPECT_THAT(chosen(some, {.max_age = hours(9)}), testing::HasSubstr("x"));
  EXPECT_EQ(chosen(some, {.labels = {{"stage", std::nullopt}}}), "e x");
}

TEST(PruneTest, ProtectedBrokenAndForeignOnesStayAndDoNotCount) {
  std::vector<SnapshotInfo> some = kSome;
  some[0].is_protected = true;
  some[1].foreign = true;
  some[3].broken = "why";
  EXPECT_EQ(chosen(some, {.keep_last = 0}), "b e");
  EXPECT_EQ(chosen(some, {.keep_last = 1}), "");
}

}  // namespace
}  // namespace knaller::vm
