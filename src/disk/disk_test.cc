#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "disk/check.h"
#include "disk/ext4.h"
#include "disk/private_disk.h"
#include "disk/root_disk.h"

namespace knaller::disk {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SpawnOptions e2fs_program(const std::string& name, std::vector<std::string> arguments) {
  SpawnOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), require_program(name, "e2fsprogs"));
  return options;
}

std::string debugfs(const std::string& image, const std::string& request) {
  return run_checked(e2fs_program("debugfs", {"-R", request, image}), Deadline::never());
}

void expect_clean(const std::string& image) {
  const ProgramOutput result = run_program(e2fs_program("e2fsck", {"-fn", image}), Deadline::never());
  EXPECT_TRUE(result.status.success()) << result.out << result.err;
}

Ext4Writer::Read reader_of(const std::string& content) {
  return [content, at = size_t{0}](char* buffer, size_t size) mutable {
    const size_t count = content.copy(buffer, size, at);
    at += count;
    return count;
  };
}

TEST(PrivateDisk, IsAnEmptySparseFileSystem) {
  const TestFolder folder;
  make_private_disk(folder.path("disk.ext4"), 8192);
  const UniqueFd fd = open_at(AT_FDCWD, folder.path("disk.ext4"), O_RDONLY);
  EXPECT_EQ(file_size(fd.get()), uint64_t{8} << 30);
  EXPECT_LT(allocated_bytes(fd.get()), 512U << 10) << "every VM copies it";
  check_ext4(fd.get(), "the disk");
  expect_clean(folder.path("disk.ext4"));
  struct stat info {};
  ASSERT_EQ(::fstat(fd.get(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST(PrivateDisk, RefusesSizesThatMakeNoSense) {
  const TestFolder folder;
  for (const uint64_t mib : {uint64_t{0}, uint64_t{31}, (uint64_t{16} << 20) + 1, UINT64_MAX})
    EXPECT_EQ(code_thrown_by([&] { make_private_disk(folder.path("d"), mib); }), Code::kInvalidArgument);
  EXPECT_TRUE(list_directory(folder.fd()).empty());
}

TEST(PrivateDisk, NeverOverwritesAFile) {
  const TestFolder folder;
  write_file_atomically(folder.fd(), "d", "precious");
  EXPECT_EQ(code_thrown_by([&] { make_private_disk(folder.path("d"), 64); }), Code::kAlreadyExists);
  EXPECT_EQ(read_file(folder.fd(), "d"), "precious");
}

TEST(PrivateDisk, LeavesNothingWhenStopped) {
  const TestFolder folder;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(
      code_thrown_by([&] { make_private_disk(folder.path("d"), 64, Deadline::never(stop.get_token())); }),
      Code::kCancelled);
  EXPECT_TRUE(list_directory(folder.fd()).empty());
}

class Writer : public ::testing::Test {
 protected:
  Writer() { make_ext4(image_, {.bytes = 64 << 20, .inodes = 2000, .journal = false}, Deadline::never()); }

  TestFolder folder_;
  std::string image_ = folder_.path("image.ext4");
};

TEST_F(Writer, KeepsOwnersModesAndNodes) {
  Ext4Writer writer(image_);
  writer.directory("", {.permissions = 0755});
  writer.directory("tmp", {.permissions = 01777, .uid = 0, .gid = 0});
  writer.file("usr/bin/su", {.permissions = 04755, .uid = 0, .gid = 100'000, .modified = 1'600'000'000}, 5,
              reader_of("hello"));
  writer.file("empty", {.permissions = 0600, .uid = 70'000, .gid = 1}, 0, reader_of(""));
  writer.symlink("bin", {}, "usr/bin");
  writer.symlink("long", {}, std::string(200, 'x'));
  writer.node("dev/null", {.permissions = 0666}, S_IFCHR, 1, 3);
  writer.node("dev/big", {.permissions = 0660, .gid = 6}, S_IFBLK, 259, 70000);
  writer.hard_link("usr/bin/sudo", "usr/bin/su");
  writer.close();

  expect_clean(image_);
  EXPECT_THAT(debugfs(image_, "stat /"), HasSubstr("User:     0   Group:     0"));
  EXPECT_THAT(debugfs(image_, "stat /tmp"), HasSubstr("Mode:  01777"));
  const std::string su = debugfs(image_, "stat /usr/bin/sudo");
  EXPECT_THAT(su, HasSubstr("Mode:  04755"));
  EXPECT_THAT(su, HasSubstr("Group: 100000"));
  EXPECT_THAT(su, HasSubstr("Links: 2"));
  EXPECT_THAT(su, HasSubstr("mtime: 0x5f5e1000"));
  EXPECT_THAT(debugfs(image_, "stat /empty"), HasSubstr("User: 70000"));
  EXPECT_THAT(debugfs(image_, "stat /bin"), HasSubstr("Fast link dest: \"usr/bin\""));
  EXPECT_EQ(debugfs(image_, "cat /long"), std::string(200, 'x'));
  EXPECT_THAT(debugfs(image_, "stat /dev/null"), HasSubstr("Device major/minor number: 01:03"));
  EXPECT_THAT(debugfs(image_, "stat /dev/big"), HasSubstr("Device major/minor number: 259:70000"));
  EXPECT_EQ(debugfs(image_, "cat /usr/bin/su"), "hello");
}

TEST_F(Writer, KeepsContentAndManyNames) {
  std::string content(5'000'001, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>((i * 7919) >> 3);
  Ext4Writer writer(image_);
  writer.file("big", {}, content.size(), reader_of(content));
  for (int i = 0; i < 600; ++i)
    writer.symlink(fmt::format("many/a-rather-long-name-to-fill-directory-blocks-{}", i), {}, "/bin/busybox");
  writer.close();
  expect_clean(image_);
  EXPECT_TRUE(debugfs(image_, "cat /big") == content);
  EXPECT_THAT(debugfs(image_, "stat /many/a-rather-long-name-to-fill-directory-blocks-599"),
              HasSubstr("busybox"));
}

TEST_F(Writer, KeepsExtendedAttributes) {
  Ext4Writer writer(image_);
  const std::string capability(
      "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  writer.file("ping", {.permissions = 0755, .xattrs = {{"security.capability", capability}}}, 1,
              reader_of("x"));
  writer.close();
  expect_clean(image_);
  EXPECT_THAT(debugfs(image_, "ea_list /ping"), HasSubstr("security.capability"));
}

TEST_F(Writer, RefusesBadPathsAndDoubles) {
  Ext4Writer writer(image_);
  writer.file("a", {}, 0, reader_of(""));
  for (const std::string& path :
       std::vector<std::string>{"a", "..", "x/../y", "x//y", "x/", "", "x/.", std::string(256, 'n')})
    EXPECT_EQ(code_thrown_by([&] { writer.file(path, {}, 0, reader_of("")); }), Code::kInvalidArgument)
        << path;
  EXPECT_EQ(code_thrown_by([&] { writer.directory("a", {}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { writer.hard_link("b", "absent"); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { writer.file("short", {}, 9, reader_of("x")); }), Code::kIo);
}

TEST_F(Writer, SaysThatTheImageIsFull) {
  Ext4Writer writer(image_);
  EXPECT_EQ(code_thrown_by([&] {
              writer.file("big", {}, 100 << 20, [](char* buffer, size_t size) {
                std::fill(buffer, buffer + size, 'x');
                return size;
              });
            }),
            Code::kExhausted);
}

class RootDisk : public ::testing::Test {
 protected:
  RootDisk() { make_ext4(image_, {.bytes = 32 << 20}, Deadline::never()); }

  TestFolder folder_;
  std::string image_ = folder_.path("image");
};

TEST_F(RootDisk, GrowsWithItsFileSystem) {
  copy_root_disk(image_, folder_.path("copy"), 64, Deadline::never());
  expect_clean(folder_.path("copy"));
  EXPECT_THAT(run_checked(e2fs_program("dumpe2fs", {"-h", folder_.path("copy")}), Deadline::never()),
              HasSubstr("Block count:              16384"));
}

TEST_F(RootDisk, ReplaysTheJournalBeforeItGrows) {
  write_file_atomically(folder_.fd(), "new", std::string(4096, 'n'));
  run_checked(e2fs_program("debugfs", {"-w", "-f", "-", image_}), Deadline::never(),
              fmt::format("write {0} file\njo\njw -b 5000 {0}\njc\n", folder_.path("new")));
  ASSERT_THAT(debugfs(image_, "features"), HasSubstr("needs_recovery"));
  copy_root_disk(image_, folder_.path("copy"), 64, Deadline::never());
  expect_clean(folder_.path("copy"));
  EXPECT_THAT(debugfs(folder_.path("copy"), "features"), Not(HasSubstr("needs_recovery")));
}

TEST_F(RootDisk, SaysWhyADamagedOneDoesNotGrowAndLeavesNothing) {
  const UniqueFd fd = open_at(AT_FDCWD, image_, O_RDWR);
  write_at(fd.get(), std::string(65536, '\xff').data(), 65536, 4096);  // the groups' descriptors
  EXPECT_THAT(message_thrown_by([&] { copy_root_disk(image_, folder_.path("copy"), 64, Deadline::never()); }),
              HasSubstr("resize2fs"));
  EXPECT_FALSE(stat_if_exists(folder_.fd(), "copy"));
}

class Check : public ::testing::Test {
 protected:
  UniqueFd with(const std::string& content) {
    write_file_atomically(folder_.fd(), "f", content, Durability::kNoSync);
    return open_at(folder_.fd(), "f", O_RDONLY);
  }
  TestFolder folder_;
};

TEST_F(Check, SaysWhatARootFileSystemIsInstead) {
  std::string partitioned(4096, '\0');
  partitioned[510] = '\x55';
  partitioned[511] = '\xaa';
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty"},
      {"root:x:0:0\n", "a text file"},
      {"QFI\xfb", "qemu-img convert"},
      {"hsqs", "squashfs"},
      {partitioned, "partition"},
      {std::string("\x7f") + "ELF", "an ELF program"},
      {std::string("\1\2\3"), "something unknown"}};
  for (const auto& [content, expected] : cases)
    EXPECT_THAT(message_thrown_by(
                    [&, &content = content] { check_ext4(with(content).get(), "the root file system 'f'"); }),
                HasSubstr(expected));
}

TEST_F(Check, FindsACutFileSystem) {
  make_ext4(folder_.path("fs"), {.bytes = 32 << 20}, Deadline::never());
  check_ext4(open_at(folder_.fd(), "fs", O_RDONLY).get(), "fs");
  ASSERT_EQ(::truncate(folder_.path("fs").c_str(), (32 << 20) - 4096), 0);
  EXPECT_THAT(message_thrown_by([&] { check_ext4(open_at(folder_.fd(), "fs", O_RDONLY).get(), "fs"); }),
              HasSubstr("cut short"));
}

TEST_F(Check, RefusesWhatIsNoKernel) {
  std::string bzimage(4096, '\0');
  bzimage.replace(0x202, 4, "HdrS");
  EXPECT_THAT(message_thrown_by([&] { check_kernel(with(bzimage).get(), "k"); }), HasSubstr("bzImage"));
  EXPECT_THAT(message_thrown_by([&] { check_kernel(with("hello\n").get(), "k"); }), HasSubstr("a text file"));
  EXPECT_THAT(message_thrown_by([&] { check_kernel(with("").get(), "k"); }), HasSubstr("empty"));
  EXPECT_NE(
      message_thrown_by([&] { check_kernel(open_at(AT_FDCWD, "/proc/self/exe", O_RDONLY).get(), "k"); }), "");
  EXPECT_EQ(code_thrown_by([&] { check_kernel(open_directory("/").get(), "k"); }), Code::kInvalidArgument);
}

TEST_F(Check, SurvivesEveryHeader) {
  std::string bytes = read_file("/proc/self/exe", 1 << 30).substr(0, 70000);
  for (size_t i = 0; i < 512; ++i) {
    std::string changed = bytes;
    changed[16] = 2;  // ET_EXEC
    changed[i % 128] = static_cast<char>(i * 37);
    const UniqueFd fd = with(changed);
    EXPECT_THAT(code_thrown_by([&] { check_kernel(fd.get(), "k"); }).value_or(Code::kInvalidArgument),
                Code::kInvalidArgument);
    code_thrown_by([&] { check_ext4(fd.get(), "k"); });
  }
}

}  // namespace
}  // namespace knaller::disk
