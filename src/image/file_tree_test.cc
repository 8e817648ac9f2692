#include "image/file_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/process.h"
#include "base/test_folder.h"
#include "image/package.h"

namespace knaller::image {
namespace {

using ::testing::HasSubstr;

struct Item {
  std::string path;
  mode_t type = S_IFREG;
  std::string text = {};  // content, or the link's target
  uint32_t permissions = 0644;
  int64_t uid = 0;
  bool hard_link = false;
};

std::string make_archive(const std::vector<Item>& items, bool ar = false) {
  std::string bytes(1 << 20, '\0');
  size_t used = 0;
  struct archive* archive = archive_write_new();
  if (ar) {
    archive_write_set_format_ar_svr4(archive);
  } else {
    archive_write_set_format_pax_restricted(archive);
    archive_write_add_filter_xz(archive);
  }
  EXPECT_EQ(archive_write_open_memory(archive, bytes.data(), bytes.size(), &used), ARCHIVE_OK);
  for (const Item& item : items) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.path.c_str());
    archive_entry_set_filetype(entry, item.type);
    archive_entry_set_perm(entry, item.permissions);
    archive_entry_set_uid(entry, item.uid);
    archive_entry_set_size(
        entry, item.type == S_IFREG && !item.hard_link ? static_cast<int64_t>(item.text.size()) : 0);
    if (item.type == S_IFLNK) archive_entry_set_symlink(entry, item.text.c_str());
    if (item.hard_link) archive_entry_set_hardlink(entry, item.text.c_str());
    if (item.type == S_IFCHR) archive_entry_set_rdev(entry, makedev(1, 3));
    EXPECT_EQ(archive_write_header(archive, entry), ARCHIVE_OK) << item.path;
    if (item.type == S_IFREG && !item.hard_link)
      archive_write_data(archive, item.text.data(), item.text.size());
    archive_entry_free(entry);
  }
  archive_write_close(archive);
  archive_write_free(archive);
  bytes.resize(used);
  return bytes;
}

std::string as_they_are(const std::string& path) {
  return path;
}

class Tree : public ::testing::Test {
 protected:
  void add_tar(const std::vector<Item>& items) { add_bytes(make_archive(items)); }
  void add_bytes(const std::string& bytes) {
    write_file_atomically(folder_.fd(), "tar", bytes, Durability::kNoSync);
    unpack_tar(folder_.path("tar"), tree_, as_they_are, Deadline::never());
  }
  std::string debugfs(const std::string& request) {
    SpawnOptions options;
    options.argv = {disk::require_program("debugfs", "e2fsprogs"), "-R", request, folder_.path("image")};
    return run_checked(std::move(options), Deadline::never());
  }

  TestFolder folder_;
  FileTree tree_{folder_.fd()};
};

TEST_F(Tree, BecomesAnImageWithTheRightOwners) {
  add_tar({{"./", S_IFDIR, {}, 0755},
           {"./usr/bin/su", S_IFREG, "binary", 04755},
           {"./aaa", S_IFREG, "./usr/bin/su", 0644, 0, true},
           {"./dev/null", S_IFCHR, {}, 0666},
           {"./home/u", S_IFDIR, {}, 0700, 1000},
           {"./lib", S_IFLNK, "usr/lib"}});
  tree_.add_file("etc/shadow", {.permissions = 0640, .gid = 42}, "root:*:");
  tree_.write_ext4(folder_.path("image"), "test", Deadline::never());
  SpawnOptions options;
  options.argv = {disk::require_program("e2fsck", "e2fsprogs"), "-fn", folder_.path("image")};
  run_checked(std::move(options), Deadline::never());
  EXPECT_THAT(debugfs("stat /usr/bin/su"), HasSubstr("Mode:  04755"));
  EXPECT_THAT(debugfs("stat /aaa"), HasSubstr("Links: 2"));
  EXPECT_EQ(debugfs("cat /aaa"), "binary");
  EXPECT_THAT(debugfs("stat /home/u"), HasSubstr("User:  1000"));
  EXPECT_THAT(debugfs("stat /dev/null"), HasSubstr("major/minor number: 01:03"));
  EXPECT_THAT(debugfs("stat /etc/shadow"), HasSubstr("Group:    42"));
  EXPECT_THAT(debugfs("stat /usr/bin"), HasSubstr("User:     0   Group:     0"));
  EXPECT_EQ(list_directory(folder_.fd()),
            (std::vector<std::string>{"image", "tar"}));  // its scratch file has no name
}

TEST_F(Tree, RefusesWaysOut) {
  for (const char* path : {"../up", "a/../../b", "a/.."})
    EXPECT_EQ(code_thrown_by([&] { add_tar({{path, S_IFREG, "x"}}); }), Code::kCorrupt) << path;
  EXPECT_EQ(code_thrown_by([&] {
              add_tar({{"d", S_IFLNK, "/etc"}, {"d/passwd", S_IFREG, "x"}});
            }),
            Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { add_tar({{"e", S_IFREG, "x"}, {"e/f", S_IFREG, "x"}}); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { add_tar({{"g/h", S_IFREG, "x"}, {"g", S_IFREG, "x"}}); }), Code::kCorrupt);
  add_tar({{"/abs", S_IFREG, "x"}});
  EXPECT_NE(tree_.find("abs"), nullptr);
}

TEST_F(Tree, KeepsTheLastOfTwo) {
  add_tar({{"a", S_IFREG, "first"}, {"a", S_IFREG, "second"}});
  EXPECT_EQ(tree_.content(*tree_.find("a")), "second");
}

TEST_F(Tree, FindsDamage) {
  const std::string good = make_archive({{"a", S_IFREG, std::string(100'000, 'x')}});
  for (const size_t size : {good.size() / 2, good.size() - 20, size_t{5}})
    EXPECT_EQ(code_thrown_by([&] { add_bytes(good.substr(0, size)); }), Code::kCorrupt) << size;
  EXPECT_EQ(code_thrown_by([&] { add_bytes("no archive at all"); }), Code::kCorrupt);
}

TEST_F(Tree, UnpacksADebianPackage) {
  const std::string data = make_archive(
      {{"./", S_IFDIR, {}, 0755}, {"./lib/x.so", S_IFREG, "so"}, {"./usr/share/doc/x", S_IFREG, "d"}});
  const std::string deb = make_archive({{"debian-binary", S_IFREG, "2.0\n"},
                                        {"control.tar.xz", S_IFREG, "ignored"},
                                        {"data.tar.xz", S_IFREG, data}},
                                       true);
  write_file_atomically(folder_.fd(), "x.deb", deb, Durability::kNoSync);
  const auto placement = [](const std::string& path) {
    return path.starts_with("usr/share/doc") ? "" : merged_usr(path);
  };
  unpack_package(folder_.path("x.deb"), tree_, placement, Deadline::never());
  ASSERT_NE(tree_.find("usr/lib/x.so"), nullptr);
  EXPECT_EQ(tree_.content(*tree_.find("usr/lib/x.so")), "so");
  EXPECT_EQ(tree_.find("usr/share/doc/x"), nullptr);

  write_file_atomically(folder_.fd(), "y.deb", make_archive({{"debian-binary", S_IFREG, "2.0\n"}}, true),
                        Durability::kNoSync);
  for (const char* name : {"y.deb", "absent.deb", "image"})
    EXPECT_EQ(
        code_thrown_by([&] { unpack_package(folder_.path(name), tree_, placement, Deadline::never()); }),
        Code::kCorrupt);
}

TEST(MergedUsr, MovesWhatDebianMoved) {
  EXPECT_EQ(merged_usr("lib/modules/x"), "usr/lib/modules/x");
  EXPECT_EQ(merged_usr("sbin"), "usr/sbin");
  EXPECT_EQ(merged_usr("libexec/x"), "libexec/x");
  EXPECT_EQ(merged_usr("usr/bin/x"), "usr/bin/x");
}

}  // namespace
}  // namespace knaller::image
