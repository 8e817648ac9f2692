#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/socket.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

using namespace std::chrono_literals;

void write_file(const TestFolder& folder, const std::string& name, std::string_view content) {
  write_file_atomically(folder.fd(), name, content, Durability::kNoSync);
}

TEST(FileTest, ReadsWithALimit) {
  TestFolder folder;
  write_file(folder, "a", "12345");
  EXPECT_EQ(read_file(folder.fd(), "a", 5), "12345");
  EXPECT_EQ(read_file(folder.path("a")), "12345");
  EXPECT_EQ(code_thrown_by([&] { read_file(folder.fd(), "a", 4); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { read_file(folder.fd(), "b"); }), Code::kNotFound);
  EXPECT_EQ(read_file_if_exists(folder.fd(), "b"), std::nullopt);
  EXPECT_EQ(read_file_if_exists(folder.fd(), "a"), "12345");
  EXPECT_NE(read_file("/proc/self/status"), "") << "a file whose size is said to be 0";
}

TEST(FileTest, AtomicWritesReplaceAndLeaveNothingBehind) {
  TestFolder folder;
  make_directories(folder.path("sub"));
  write_file_atomically(folder.fd(), "sub/a", "old");
  write_file_atomically(folder.fd(), "sub/a", "new", Durability::kFsync, 0444);
  EXPECT_EQ(read_file(folder.path("sub/a")), "new");
  EXPECT_EQ(stat_if_exists(folder.fd(), "sub/a")->st_mode & 07777, 0444u);
  make_directories(folder.path("sub/full/inner"));
  EXPECT_NE(code_thrown_by([&] { write_file_atomically(folder.fd(), "sub/full", "x"); }), std::nullopt);
  EXPECT_EQ(list_directory(open_directory(folder.path("sub")).get()),
            (std::vector<std::string>{"a", "full"}));
}

TEST(FileTest, UntrustedFilesMustBeRegularAndReachedWithoutLinks) {
  TestFolder folder;
  make_directories(folder.path("sub"));
  write_file(folder, "sub/good", "x");
  ASSERT_EQ(::symlink("good", folder.path("sub/link").c_str()), 0);
  ASSERT_EQ(::symlink("sub", folder.path("way").c_str()), 0);
  ASSERT_EQ(::mkfifo(folder.path("fifo").c_str(), 0600), 0);
  const UniqueFd listener = listen_unix(folder.fd(), "socket");
  const UniqueFd sub = open_directory(folder.path("sub"));
  const auto code = [](int dir, const std::string& path) {
    return code_thrown_by([&] { open_untrusted(dir, path); });
  };
  EXPECT_EQ(code(folder.fd(), "sub/good"), std::nullopt);
  EXPECT_EQ(code(folder.fd(), "sub/link"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "way/good"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "fifo"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "socket"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "sub"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "/etc/passwd"), Code::kCorrupt);
  EXPECT_EQ(code(sub.get(), "../sub/good"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "absent"), Code::kNotFound);
}

TEST(FileTest, MakesDirectoriesThatAreMissing) {
  TestFolder folder;
  make_directories(folder.path("a/b/c"));
  make_directories(folder.path("a/b/c/"));
  EXPECT_EQ(stat_if_exists(folder.fd(), "a/b")->st_mode & 07777, 0700u);
  write_file(folder, "file", "");
  EXPECT_EQ(code_thrown_by([&] { make_directories(folder.path("file")); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { make_directories(folder.path("file/x")); }), Code::kInvalidArgument);
}

TEST(FileTest, LooksWithoutFollowing) {
  TestFolder folder;
  ASSERT_EQ(::symlink("absent", folder.path("dangling").c_str()), 0);
  EXPECT_TRUE(S_ISLNK(stat_if_exists(folder.fd(), "dangling")->st_mode));
  EXPECT_TRUE(exists(folder.path("dangling")));
  EXPECT_FALSE(exists(folder.path("absent")));
  EXPECT_FALSE(exists(folder.path("dangling/x")));
}

TEST(RemoveTreeTest, RemovesAllAndFollowsNothing) {
  TestFolder folder;
  make_directories(folder.path("kept"));
  write_file(folder, "kept/file", "x");
  make_directories(folder.path("tree/a/b"));
  write_file(folder, "tree/a/file", "x");
  ASSERT_EQ(::symlink("../../kept", folder.path("tree/a/link").c_str()), 0);
  ASSERT_EQ(::symlink("kept", folder.path("link").c_str()), 0);
  remove_tree(folder.fd(), "tree");
  remove_tree(folder.fd(), "link");
  remove_tree(folder.fd(), "absent");
  EXPECT_EQ(list_directory(folder.fd()), (std::vector<std::string>{"kept"}));
  EXPECT_EQ(read_file(folder.path("kept/file")), "x");
  remove_tree(AT_FDCWD, folder.path("kept/file"));
  EXPECT_FALSE(exists(folder.path("kept/file")));
}

TEST(RemoveTreeTest, SaysWhatMayNotBeRemoved) {
  const UniqueFd descriptors = open_directory("/proc/self/fd");
  EXPECT_EQ(code_thrown_by([&] { remove_tree(descriptors.get(), "0"); }), Code::kPermission);
  const UniqueFd self = open_directory("/proc/self");
  EXPECT_EQ(code_thrown_by([&] { remove_tree(self.get(), "fd"); }), Code::kPermission);
}

// Root passes over modes; as an ordinary user only the chmod makes this work.
TEST(RemoveTreeTest, CopesWithDirectoriesOfModeZero) {
  TestFolder folder;
  make_directories(folder.path("tree/a/b"));
  write_file(folder, "tree/a/b/file", "x");
  for (const char* name : {"tree/a/b", "tree/a", "tree"}) ASSERT_EQ(::chmod(folder.path(name).c_str(), 0), 0);
  remove_tree(folder.fd(), "tree");
  EXPECT_FALSE(exists(folder.path("tree")));
}

TEST(RemoveTreeTest, CopesWithTreesDeeperThanDescriptorsAndPathsReach) {
  TestFolder folder;
  UniqueFd level = open_directory(folder.path());
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(::mkdirat(level.get(), "a-name-of-some-length", 0700), 0);
    level = open_at(level.get(), "a-name-of-some-length", O_RDONLY | O_DIRECTORY);
  }
  level.reset();
  remove_tree(folder.fd(), "a-name-of-some-length");
  EXPECT_TRUE(list_directory(folder.fd()).empty());
}

TEST(RemoveTreeTest, EndsAtItsDeadline) {
  const TestFolder folder;
  make_directories(folder.path("tree/a/b"));
  const auto removed_by = [&](const Deadline& deadline) {
    return code_thrown_by([&] { remove_tree(folder.fd(), "tree", deadline); });
  };
  EXPECT_EQ(removed_by(Deadline::after(0s)), Code::kTimeout);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(removed_by(Deadline::never(stop.get_token())), Code::kCancelled);
  EXPECT_EQ(removed_by(Deadline::after(1min)), std::nullopt);
  EXPECT_FALSE(exists(folder.path("tree")));
}

TEST(RemoveTreeTest, RemovesMoreFilesThanItReadsNamesAtOnce) {
  const TestFolder folder;
  make_directories(folder.path("tree"));
  const UniqueFd tree = open_directory(folder.path("tree"));
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(::symlinkat("x", tree.get(), std::to_string(i).c_str()), 0);
  remove_tree(folder.fd(), "tree");
  EXPECT_FALSE(exists(folder.path("tree")));
}

TEST(ClearNameTest, TheNameIsFreeAtOnceAndTheRestIsSwept) {
  const TestFolder folder;
  make_directories(folder.path("jail/api.sock/a/b"));
  make_directories(folder.path("jail/log"));
  write_file_atomically(AT_FDCWD, folder.path("jail/file"), "x", Durability::kNoSync);
  ASSERT_EQ(::chmod(folder.path("jail/api.sock").c_str(), 0), 0);
  const UniqueFd jail = open_directory(folder.path("jail"));
  for (const char* name : {"api.sock", "log", "file", "absent"})
    clear_name(jail.get(), name, folder.fd(), Deadline::after(0s));
  EXPECT_TRUE(list_directory(jail.get()).empty());
  const auto left = unfinished_writes(folder.fd());
  ASSERT_EQ(left.size(), 1u);  // that of depth
  EXPECT_TRUE(left.front().starts_with(".api.sock."));
  make_directories(folder.path("jail/api.sock/a/b"));
  clear_name(jail.get(), "api.sock", folder.fd(), Deadline::after(10s));
  EXPECT_EQ(unfinished_writes(folder.fd()).size(), 1u);
}

TEST(RemoveTreeTest, CopesWithOthersRemovingTheSame) {
  TestFolder folder;
  for (int i = 0; i < 300; ++i) make_directories(folder.path(fmt::format("tree/{}/x/y", i)));
  {
    std::jthread other([&] { remove_tree(folder.fd(), "tree"); });
    remove_tree(folder.fd(), "tree");
  }
  EXPECT_FALSE(exists(folder.path("tree")));
}

class CopyTest : public testing::Test {
 protected:
  UniqueFd make(const std::string& name) { return open_at(folder_.fd(), name, O_RDWR | O_CREAT | O_TRUNC); }
  static void put(const UniqueFd& file, std::string_view data, off_t offset) {
    ASSERT_EQ(::pwrite(file.get(), data.data(), data.size(), offset), static_cast<ssize_t>(data.size()));
  }
  std::string content(const std::string& name) { return read_file(folder_.fd(), name, 64 << 20); }

  TestFolder folder_;
};

TEST_F(CopyTest, KeepsContentAndMakesZerosHoles) {
  const UniqueFd from = make("from");
  ASSERT_EQ(::ftruncate(from.get(), 8 << 20), 0);
  put(from, std::string(2 << 20, '\0'), 0);           // stored zeros
  put(from, "needle", (1 << 20) - 3);                 // across two blocks and two chunks
  put(from, std::string(5000, 'x'), (5 << 20) + 17);  // data behind a hole, unaligned
  const UniqueFd to = make("to");
  uint64_t last = 0;
  const CopyResult result =
      copy_sparse(from.get(), to.get(), 8 << 20, kSoon, [&](uint64_t done, uint64_t total) {
        EXPECT_LE(last, done);
        EXPECT_EQ(total, 8u << 20);
        last = done;
      });
  EXPECT_EQ(last, 8u << 20);
  EXPECT_EQ(content("to"), content("from"));
  EXPECT_EQ(result.apparent_bytes, 8u << 20);
  if (result.reflinked) GTEST_SKIP() << "the file system clones, so nothing was copied";
  EXPECT_EQ(result.copied_bytes, 4u * 4096);
  EXPECT_LE(allocated_bytes(to.get()), 64u << 10);
}

TEST_F(CopyTest, CopiesNotAByteMoreThanAsked) {
  const UniqueFd from = make("from");
  put(from, std::string(10'000, 'x'), 0);
  const UniqueFd to = make("to");
  copy_sparse(from.get(), to.get(), 5'001, kSoon);
  EXPECT_EQ(content("to"), std::string(5'001, 'x'));
  const UniqueFd empty = make("empty");
  copy_sparse(from.get(), empty.get(), 0, kSoon);
  EXPECT_EQ(file_size(empty.get()), 0u);
  EXPECT_EQ(code_thrown_by([&] { copy_sparse(from.get(), empty.get(), 10'001, kSoon); }), Code::kCorrupt);
}

TEST_F(CopyTest, ATailOfZerosIsAHoleOfTheRightSize) {
  const UniqueFd from = make("from");
  put(from, std::string(4096, 'x') + std::string(100, '\0'), 0);
  const UniqueFd to = make("to");
  copy_sparse(from.get(), to.get(), 4196, kSoon);
  EXPECT_EQ(content("to"), content("from"));
}

TEST_F(CopyTest, StopsWhenToldTo) {
  const UniqueFd from = make("from");
  put(from, std::string(1 << 20, 'x'), 0);
  const UniqueFd to = make("to");
  std::stop_source source;
  source.request_stop();
  const auto copy = [&] {
    if (copy_sparse(from.get(), to.get(), 1 << 20, Deadline::never(source.get_token())).reflinked) {
      fail(Code::kCancelled, "cloned at once");
    }
  };
  EXPECT_EQ(code_thrown_by(copy), Code::kCancelled);
}

TEST_F(CopyTest, LinksWhereItCan) {
  make("from");
  link_or_copy(folder_.fd(), "from", folder_.fd(), "to", kSoon);
  EXPECT_EQ(stat_if_exists(folder_.fd(), "from")->st_ino, stat_if_exists(folder_.fd(), "to")->st_ino);
  const auto again = [&] { link_or_copy(folder_.fd(), "from", folder_.fd(), "to", kSoon); };
  EXPECT_EQ(code_thrown_by(again), Code::kAlreadyExists);
  ASSERT_EQ(::symlink("from", folder_.path("link").c_str()), 0);
  const auto link = [&] { link_or_copy(folder_.fd(), "link", folder_.fd(), "other", kSoon); };
  EXPECT_EQ(code_thrown_by(link), Code::kCorrupt);
}

TEST_F(CopyTest, ANameMeansTheOpenFileUntilItIsAnothers) {
  const UniqueFd file = make("file");
  EXPECT_TRUE(is_still_named(folder_.fd(), "file", file.get()));
  ASSERT_EQ(::rename(folder_.path("file").c_str(), folder_.path("moved").c_str()), 0);
  EXPECT_FALSE(is_still_named(folder_.fd(), "file", file.get()));
  EXPECT_TRUE(is_still_named(folder_.fd(), "moved", file.get()));
  make("file");
  EXPECT_FALSE(is_still_named(folder_.fd(), "file", file.get()));
}

TEST_F(CopyTest, CopiesToAnotherFileSystem) {
  struct stat here, there;
  ASSERT_EQ(::fstat(folder_.fd(), &here), 0);
  if (::stat("/dev/shm", &there) != 0 || here.st_dev == there.st_dev) {
    GTEST_SKIP() << "/dev/shm is no other file system";
  }
  const TestFolder other("/dev/shm");
  put(make("from"), "content", 0);
  link_or_copy(folder_.fd(), "from", other.fd(), "to", kSoon);
  EXPECT_EQ(read_file(other.path("to")), "content");
  EXPECT_EQ(stat_if_exists(other.fd(), "to")->st_mode & 07777, 0400u);
}

}  // namespace
}  // namespace knaller
