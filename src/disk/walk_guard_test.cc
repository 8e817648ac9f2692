#include "disk/walk_guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/process.h"
#include "base/test_folder.h"
#include "disk/ext4.h"

namespace knaller::disk {
namespace {

class WalkGuardTest : public ::testing::Test {
 protected:
  // With an empty file, a link and a file of two names; the first two get `more` names, which their inodes do
  // not count.
  DiskTree make(int more) {
    const std::string path = folder_.path("rootfs.ext4");
    make_ext4(path, {.bytes = 64 << 20, .inodes = 2000, .journal = false}, Deadline::never());
    Ext4Writer writer(path);
    for (const char* name : {"file", "twin"})
      writer.file(name, {}, 0, [](char*, size_t) { return size_t{0}; });
    writer.hard_link("other-twin", "twin");
    writer.symlink("link", {}, "file");
    writer.close();
    std::string requests;
    for (int i = 0; i < more; ++i) requests += fmt::format("ln file file{0}\nln link link{0}\n", i);
    run_checked({.argv = {require_program("debugfs", "e2fsprogs"), "-w", "-f", "-", path}}, Deadline::never(),
                requests);
    return DiskTree(open_at(AT_FDCWD, path, O_RDONLY));
  }

  static void take_all(const DiskTree& tree, const std::string& prefix) {
    WalkGuard guard(tree);
    for (const auto& [name, node] : tree.children(tree.root(), "/"))
      if (name.starts_with(prefix)) guard.take(0, tree.info(node), node);
  }

  TestFolder folder_;
};

TEST_F(WalkGuardTest, TellsInodesOfMoreNamesThanTheyCount) {
  const DiskTree tree = make(200);
  ASSERT_EQ(tree.info(tree.find("/file7")).links, 1U);
  EXPECT_EQ(code_thrown_by([&] { take_all(tree, "file"); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { take_all(tree, "link"); }), Code::kCorrupt);
}

// A guest whose file system has no journal may have written names, and not yet the inode's count.
TEST_F(WalkGuardTest, PassesOverAFewOfThem) {
  const DiskTree tree = make(20);
  EXPECT_EQ(code_thrown_by([&] { take_all(tree, ""); }), std::nullopt);
}

}  // namespace
}  // namespace knaller::disk
