#include "store/usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace knaller::store {
namespace {

class UsageTest : public testing::Test {
 protected:
  void put(const std::string& name, size_t pages) {
    write_file_atomically(folder_.fd(), name, std::string(pages * 4096, 'x'));
  }
  void link(const std::string& from, const std::string& to) {
    ASSERT_EQ(::linkat(folder_.fd(), from.c_str(), folder_.fd(), to.c_str(), 0), 0);
  }
  uint64_t allocated(const std::string& name) const {
    return static_cast<uint64_t>(stat_if_exists(folder_.fd(), name)->st_blocks) * 512;
  }
  TreeUse look(const std::string& name) const { return look_through(folder_.fd(), name); }

  TestFolder folder_;
};

TEST_F(UsageTest, FilesWithSeveralNamesCountOnceAndForWhoHoldsThemAll) {
  for (const char* name : {"a", "a/inner", "b"}) make_directories(folder_.path(name));
  put("a/own", 1);
  put("a/twice", 2);
  link("a/twice", "a/inner/twice");
  put("a/shared", 4);
  link("a/shared", "b/shared");
  const uint64_t folders = allocated("a") + allocated("a/inner");
  const TreeUse a = look("a");
  EXPECT_EQ(a.apparent(), 7u * 4096);
  EXPECT_EQ(a.allocated(), folders + allocated("a/own") + allocated("a/twice") + allocated("a/shared"));
  EXPECT_EQ(a.exclusive(), folders + allocated("a/own") + allocated("a/twice"));

  TreeUse both = a;
  add(both, look("b"));
  EXPECT_EQ(both.allocated(), both.exclusive());
  EXPECT_EQ(both.allocated(), a.allocated() + allocated("b"));
}

TEST_F(UsageTest, TheLastNameFreesAFile) {
  for (const char* name : {"a", "b", "c"}) make_directories(folder_.path(name));
  put("a/shared", 4);
  link("a/shared", "b/shared");
  PlannedRemovals removals;
  EXPECT_EQ(removals.remove(look("a")), allocated("a"));
  EXPECT_EQ(removals.remove(look("b")), allocated("b") + allocated("b/shared"));
  EXPECT_EQ(removals.remove(look("a")), 0u);
}

TEST_F(UsageTest, LinksAreNotFollowedAndWhatIsNotThereIsNothing) {
  make_directories(folder_.path("a"));
  put("large", 64);
  ASSERT_EQ(::symlinkat("../large", folder_.fd(), "a/link"), 0);
  ASSERT_EQ(::symlinkat(".", folder_.fd(), "a/loop"), 0);
  EXPECT_EQ(look("a").apparent(), 0u);
  EXPECT_EQ(look("a").inodes.size(), 3u);
  EXPECT_TRUE(look("absent").inodes.empty());
}

TEST_F(UsageTest, FoldersWithoutEndAreToldOf) {
  std::string path = "deep";
  make_directories(folder_.path(path));
  for (int level = 0; level < 140; ++level) path += "/d";
  make_directories(folder_.path(path));
  EXPECT_EQ(look("deep").unreadable.size(), 1u);
}

TEST_F(UsageTest, AFolderThatIsTooFullIsToldOf) {
  for (const char* name : {"a", "a/b", "c"}) make_directories(folder_.path(name));
  for (int i = 0; i < 1000; ++i) put(fmt::format("a/b/{}", i), 0);
  const TreeUse all = look("a");
  EXPECT_EQ(all.inodes.size(), 1002U);
  EXPECT_TRUE(all.unreadable.empty());
  const TreeUse some = look_through(folder_.fd(), "a", Deadline::never(), 100);
  EXPECT_EQ(some.inodes.size(), 101U);
  EXPECT_EQ(some.unreadable, std::vector<std::string>{"a/b"});
}

TEST_F(UsageTest, CanBeStopped) {
  make_directories(folder_.path("a/b"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_thrown_by([&] { look_through(folder_.fd(), "a", Deadline::never(stop.get_token())); }),
            Code::kCancelled);
}

TEST(Room, IsAskedForInWords) {
  EXPECT_NO_THROW(require_room({.bytes = 1 << 20}, 1 << 20, "it"));
  try {
    require_room({.bytes = 1 << 20, .may_share = true}, 2 << 20, "the snapshot");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kExhausted);
    EXPECT_EQ(error.message(), "the snapshot needs 2.0 MiB, and 1.0 MiB are free in knaller's home");
  }
}

}  // namespace
}  // namespace knaller::store
