#include "entry/path_name.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "base/text.h"

namespace knaller::entry {
namespace {

TEST(PathName, IsSplitIntoAFolderAndANameInIt) {
  const auto parts = [](std::string_view path) {
    const auto split = split_path(path, "in the guest");
    return fmt::format("{}|{}|{}", split.folder, split.name, split.is_folder);
  };
  EXPECT_EQ(parts("/a/b"), "/a|b|false");
  EXPECT_EQ(parts("/a"), "/|a|false");
  EXPECT_EQ(parts("a"), ".|a|false");
  EXPECT_EQ(parts("a/b//"), "a|b|true");
  EXPECT_EQ(parts("/"), "/||true");
  EXPECT_EQ(parts("."), ".||true");
  EXPECT_EQ(parts("/a/."), "/a/.||true");
  EXPECT_EQ(parts("./"), ".||true");
  for (const auto& path :
       {std::string(), std::string(".."), std::string("/a/.."), std::string("../"), std::string("a\0b", 3)})
    EXPECT_EQ(code_thrown_by([&] { split_path(path, ""); }), Code::kInvalidArgument) << path;
}

}  // namespace
}  // namespace knaller::entry
