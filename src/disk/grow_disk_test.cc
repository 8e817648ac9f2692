#include "disk/grow_disk.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "disk/disk_tree.h"
#include "disk/ext4.h"
#include "disk/private_disk.h"

namespace knaller::disk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GrowDisk : public ::testing::Test {
 protected:
  GrowDisk() { make_private_disk(path_, 64); }

  std::string e2fs(const std::string& name, std::vector<std::string> arguments,
                   const std::string& input = {}) {
    arguments.insert(arguments.begin(), require_program(name, "e2fsprogs"));
    return run_checked({.argv = arguments}, Deadline::never(), input);
  }
  void write(const std::string& name, const std::string& content) {
    write_file_atomically(folder_.fd(), "content", content);
    e2fs("debugfs", {"-w", "-R", "write " + folder_.path("content") + " " + name, path_});
  }
  std::string content_of(const std::string& name) { return e2fs("debugfs", {"-R", "cat " + name, path_}); }
  uint64_t size() const { return file_size(open_at(AT_FDCWD, path_, O_RDONLY).get()); }

  TestFolder folder_;
  TestFolder aside_;
  std::string path_ = folder_.path("disk.ext4");
};

TEST_F(GrowDisk, KeepsWhatIsOnItAndIsLarger) {
  write("file", std::string(3 << 20, 'x'));
  grow_disk(path_, aside_.path(), 8192, Deadline::never());
  EXPECT_EQ(size(), uint64_t{8} << 30);
  EXPECT_THAT(e2fs("dumpe2fs", {"-h", path_}), HasSubstr("Block count:              2097152"));
  EXPECT_EQ(content_of("file"), std::string(3 << 20, 'x'));
  e2fs("e2fsck", {"-f", "-n", path_});
  EXPECT_LT(allocated_bytes(open_at(AT_FDCWD, path_, O_RDONLY).get()), 16U << 20);
}

// A guest that was stopped dead has the newest of its disk in the journal.
TEST_F(GrowDisk, WritesWhatTheJournalHolds) {
  write("file", std::string(4096, 'o'));
  const std::string number = std::string(trim(e2fs("debugfs", {"-R", "bmap file 0", path_})));
  write_file_atomically(folder_.fd(), "new", std::string(4096, 'n'));
  e2fs("debugfs", {"-w", "-f", "-", path_},
       fmt::format("jo\njw -b {} {}\njc\n", number, folder_.path("new")));
  grow_disk(path_, aside_.path(), 128, Deadline::never());
  EXPECT_EQ(content_of("file"), std::string(4096, 'n'));
  e2fs("e2fsck", {"-f", "-n", path_});
}

TEST_F(GrowDisk, OnlyMakesItLarger) {
  for (const uint64_t mib : {uint64_t{0}, uint64_t{63}, uint64_t{64}, uint64_t{17} << 20, UINT64_MAX})
    EXPECT_EQ(code_thrown_by([&] { grow_disk(path_, aside_.path(), mib, Deadline::never()); }),
              Code::kInvalidArgument)
        << mib;
  EXPECT_EQ(size(), 64U << 20);
}

TEST_F(GrowDisk, LeavesADamagedDiskAlone) {
  {
    const UniqueFd fd = open_at(AT_FDCWD, path_, O_RDWR);
    const std::string garbage(64 << 10, '\xa5');
    write_at(fd.get(), garbage.data(), garbage.size(), 8192);
  }
  const std::string before = read_file(path_, 128 << 20);
  EXPECT_EQ(code_thrown_by([&] { grow_disk(path_, aside_.path(), 128, Deadline::never()); }), Code::kCorrupt);
  EXPECT_TRUE(read_file(path_, 128 << 20) == before);
  EXPECT_THAT(list_directory(folder_.fd()), ElementsAre("disk.ext4"));
  EXPECT_THAT(list_directory(aside_.fd()), IsEmpty());
}

TEST_F(GrowDisk, LeavesTheDiskAsItWasWhenStopped) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(code_thrown_by([&] { grow_disk(path_, aside_.path(), 128, Deadline::never(stop.get_token())); }),
            Code::kCancelled);
  EXPECT_EQ(size(), 64U << 20);
  EXPECT_THAT(list_directory(folder_.fd()), ElementsAre("disk.ext4"));
  EXPECT_THAT(list_directory(aside_.fd()), IsEmpty());
}

}  // namespace
}  // namespace knaller::disk
