// Also run with a library that takes the flags away (tests/crash/no_rename_flags.c).
#include "base/rename.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/file.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

class RenameTest : public testing::Test {
 protected:
  void make(const std::string& folder, const std::string& content) {
    ASSERT_EQ(::mkdirat(folder_.fd(), folder.c_str(), 0700), 0);
    write_file_atomically(open_at(folder_.fd(), folder, O_RDONLY | O_DIRECTORY).get(), "file", content);
  }
  std::string content(const std::string& folder) { return read_file(folder_.fd(), folder + "/file"); }
  std::vector<std::string> names() { return list_directory(folder_.fd()); }

  TestFolder folder_;
};

using Names = std::vector<std::string>;

TEST_F(RenameTest, NeverOverwrites) {
  make("a", "a");
  make("b", "b");
  EXPECT_NE(rename_new(folder_.fd(), "a", "b"), 0);
  EXPECT_TRUE(errno == EEXIST || errno == ENOTEMPTY);
  EXPECT_EQ(content("b"), "b");
  EXPECT_EQ(rename_new(folder_.fd(), "a", "c"), 0);
  EXPECT_EQ(names(), (Names{"b", "c"}));
  write_file_atomically(folder_.fd(), "one", "1");
  write_file_atomically(folder_.fd(), "two", "2");
  EXPECT_NE(rename_new(folder_.fd(), "one", "two"), 0);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_NE(rename_new(folder_.fd(), "one", "b"), 0);
  EXPECT_NE(rename_new(folder_.fd(), "b", "two"), 0);
  EXPECT_EQ(read_file(folder_.fd(), "two"), "2");
  EXPECT_EQ(rename_new(folder_.fd(), "one", "three"), 0);
  EXPECT_EQ(names(), (Names{"b", "c", "three", "two"}));
  EXPECT_NE(rename_new(folder_.fd(), "one", "four"), 0);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(RenameTest, ExchangesTwo) {
  make("a", "a");
  make("b", "b");
  EXPECT_EQ(exchange_names(folder_.fd(), "a", "b", ".old-b"), 0);
  EXPECT_EQ(content("a"), "b");
  EXPECT_EQ(content("b"), "a");
  EXPECT_EQ(names(), (Names{"a", "b"}));
  EXPECT_NE(exchange_names(folder_.fd(), "absent", "b", ".old-b"), 0);
  EXPECT_EQ(content("b"), "a");
  EXPECT_EQ(names(), (Names{"a", "b"}));
}

TEST_F(RenameTest, SaysWhetherTheFlagsAreThere) {
  EXPECT_EQ(has_rename_flags(folder_.fd()), std::getenv("KNALLER_NO_RENAME_FLAGS") == nullptr);
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace knaller
