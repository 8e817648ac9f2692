#include "cli/labels.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace knaller::cli {
namespace {

SnapshotInfo snapshot() {
  SnapshotInfo info;
  info.vm_name = "web";
  info.name = "ci-17";
  info.labels = {{"stage", "ci"}, {"empty", ""}};
  return info;
}

bool matches(const std::vector<std::string>& filters) {
  return SnapshotFilter(filters).matches(snapshot());
}

TEST(LabelsTest, ALabelIsKeyAndValue) {
  EXPECT_EQ(label_of("a=b=c"), (std::pair<std::string, std::string>("a", "b=c")));
  EXPECT_EQ(label_of("a=").second, "");
  for (const char* text : {"", "a", "=b", "a=\xff"})
    EXPECT_EQ(code_thrown_by([&] { label_of(text); }), Code::kInvalidArgument) << text;
  EXPECT_EQ(label_rule("a").second, std::nullopt);
  EXPECT_EQ(label_rule("a=b").second, "b");
}

TEST(LabelsTest, EveryFilterMustMatch) {
  EXPECT_TRUE(matches({}));
  for (const char* text :
       {"vm=web", "vm=w*", "name=ci-17", "name=ci-*", "label=stage", "label=stage=ci", "label=empty="})
    EXPECT_TRUE(matches({text})) << text;
  for (const char* text :
       {"vm=we", "name=ci", "name=", "label=stag", "label=stage=c", "label=stage=", "label=empty=x"})
    EXPECT_FALSE(matches({text})) << text;
  EXPECT_TRUE(matches({"vm=web", "label=stage"}));
  EXPECT_FALSE(matches({"vm=web", "label=other"}));
  for (const char* text : {"", "web", "age=3", "label", "label="})
    EXPECT_EQ(code_thrown_by([&] { matches({text}); }), Code::kInvalidArgument) << text;
}

}  // namespace
}  // namespace knaller::cli
