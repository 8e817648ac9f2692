#include "base/confined_tree.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace knaller {
namespace {

// Of one kind until it is too much, which must be before the thousandth.
template <typename Make>
std::optional<Code> fill(Make&& make) {
  const TestFolder folder;
  ConfinedTree tree(open_directory(folder.path()), 16 << 10);
  return code_thrown_by([&] {
    for (int i = 0; i < 1000; ++i) make(tree, PathParts{std::to_string(i)});
  });
}

TEST(ConfinedTreeTest, KeepsNoMoreInMemoryThanItMay) {
  EXPECT_EQ(fill([](auto& tree, const auto& path) { tree.make_directory(path, {}); }), Code::kExhausted);
  EXPECT_EQ(fill([](auto& tree, const auto& path) { tree.make_symlink(path, "a", {}); }), Code::kExhausted);
  EXPECT_EQ(fill([](auto& tree, const auto& path) { tree.make_file(path).commit({}); }), Code::kExhausted);
}

// What is replaced is not kept twice.
TEST(ConfinedTreeTest, CountsAFolderOnce) {
  const TestFolder folder;
  ConfinedTree tree(open_directory(folder.path()), 16 << 10);
  for (int i = 0; i < 1000; ++i) tree.make_directory({"a"}, {});
  EXPECT_TRUE(stat_if_exists(folder.fd(), "a"));
}

}  // namespace
}  // namespace knaller
