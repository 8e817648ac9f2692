#include "store/labels.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "store/layout.h"

namespace knaller::store {
namespace {

class LabelsTest : public testing::Test {
 protected:
  int directory() const { return folder_.fd(); }
  std::string text() const { return read_file(directory(), layout::kLabels); }
  void put(std::string_view text) {
    write_file_atomically(directory(), layout::kLabels, text, Durability::kNoSync);
  }
  std::optional<Code> verify() const {
    return code_thrown_by([&] { verify_labels(directory()); });
  }

  TestFolder folder_;
};

TEST_F(LabelsTest, AreEmptyUntilWritten) {
  EXPECT_TRUE(read_labels(directory()).labels.empty());
  EXPECT_EQ(verify(), std::nullopt);
  write_labels(directory(), {"clean", {{"stage", "ci"}}, true});
  const SnapshotLabels labels = read_labels(directory());
  EXPECT_EQ(labels.name, "clean");
  EXPECT_EQ(labels.labels.at("stage"), "ci");
  EXPECT_TRUE(labels.is_protected);
  EXPECT_EQ(verify(), std::nullopt);
}

TEST_F(LabelsTest, SayWhenItWasImported) {
  EXPECT_FALSE(may_be_imported(directory()));
  write_labels(directory(), {.name = "clean"});
  EXPECT_FALSE(may_be_imported(directory()));
  EXPECT_EQ(text().find("imported"), std::string::npos);
  const SystemTime when{std::chrono::seconds(1'800'000'000)};
  write_labels(directory(), {.name = "clean", .imported = when});
  EXPECT_EQ(read_labels(directory()).imported, when);
  EXPECT_TRUE(may_be_imported(directory()));
  EXPECT_EQ(verify(), std::nullopt);
  put("{");
  EXPECT_TRUE(may_be_imported(directory()));
}

TEST_F(LabelsTest, EveryFlippedBitAndEveryCutIsFound) {
  write_labels(directory(), {"clean", {{"stage", "ci"}, {"ümlaut", "Ω"}}, true});
  const std::string whole = text();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      put(damaged);
      EXPECT_EQ(verify(), Code::kCorrupt) << at << " " << damaged;
    }
    put(whole.substr(0, at));
    EXPECT_EQ(verify(), Code::kCorrupt) << at;
  }
  put(whole);
  EXPECT_EQ(verify(), std::nullopt);
}

TEST_F(LabelsTest, OnesWithoutADigestAreReadButNotWhole) {
  write_labels(directory(), {"clean", {}, false});
  put("{}\n");
  EXPECT_EQ(verify(), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { read_labels(directory()); }), std::nullopt);
}

TEST_F(LabelsTest, KeysAndValuesHaveLimits) {
  const auto code = [](const std::string& key, const std::string& value) {
    return code_thrown_by([&] { check_labels({{key, value}}); });
  };
  EXPECT_EQ(code("app.kubernetes.io/name", ""), std::nullopt);
  EXPECT_EQ(code("Größe", std::string(2048, 'x')), std::nullopt);
  for (const std::string& key : {std::string(), std::string("a=b"), std::string("a-"), std::string("a\nb"),
                                 std::string("\xff"), std::string(129, 'x')})
    EXPECT_EQ(code(key, "value"), Code::kInvalidArgument) << key;
  EXPECT_EQ(code("key", std::string(2049, 'x')), Code::kInvalidArgument);
  EXPECT_EQ(code("key", "\xff"), Code::kInvalidArgument);
  std::map<std::string, std::string> many;
  for (int i = 0; i < 257; ++i) many[std::to_string(i)] = "";
  EXPECT_EQ(code_thrown_by([&] { check_labels(many); }), Code::kInvalidArgument);
}

}  // namespace
}  // namespace knaller::store
