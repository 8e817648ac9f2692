#include "disk/instant_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "disk/hole_marks.h"

namespace knaller::disk {
namespace {

constexpr uint64_t kSize = 4 << 20;

// A sparse disk with something on it, and the file that becomes its copy; in both ways: compared, or by the
// pages that were touched.
class InstantCopyTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  InstantCopyTest()
      : disk_(open_at(AT_FDCWD, folder_.path("disk"), O_RDWR | O_CREAT | O_EXCL)),
        engine_(open_at(AT_FDCWD, folder_.path("disk"), O_RDWR)),
        target_(open_at(AT_FDCWD, folder_.path("copy"), O_RDWR | O_CREAT | O_EXCL)) {
    EXPECT_EQ(::ftruncate(disk_.get(), kSize), 0);
    write('a', 0, 100'000);
    write('b', 1 << 20, 300'000);
    shares_ = InstantCopy(disk_.get(), target_.get()).bytes_to_store() == 0;
    by_touch_ =
        !shares_ && GetParam() == 0 && TouchedPages::watch(disk_.get(), kSize, target_.get()) != nullptr;
  }

  void write(char letter, uint64_t offset, size_t size) {
    const std::string data(size, letter);
    write_at(engine_.get(), data.data(), data.size(), offset);
  }
  // As an engine does.
  void punch(uint64_t offset, uint64_t size) {
    punch_hole(engine_.get(), {offset, offset + size});
    knaller_touch_beside_hole(engine_.get(), static_cast<int64_t>(offset), static_cast<int64_t>(size));
  }
  static InstantCopyOptions options() { return {.small_disk = GetParam()}; }
  void expect_same() const {
    EXPECT_EQ(read_file(folder_.path("disk"), 2 * kSize), read_file(folder_.path("copy"), 2 * kSize));
  }

  TestFolder folder_;
  UniqueFd disk_;
  UniqueFd engine_;  // the guest's way to it
  UniqueFd target_;
  bool shares_ = false;
  bool by_touch_ = false;
};

TEST_P(InstantCopyTest, OfADiskThatNobodyWritesTo) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
  EXPECT_EQ(copy.bytes_copied_late(), 0u);
}

TEST_P(InstantCopyTest, BringsOverWhatChangedAndNoMore) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('c', 2 << 20, 10);                  // where a hole was
  write('d', (1 << 20) + 4096, 4096);       // over data
  write('\0', (1 << 20) + 3 * 4096, 4096);  // zeros over data
  punch(0, 64 << 10);                       // a discarded stretch
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
  // By touch also what was written before the copy began, and is as it was.
  if (shares_) return;
  EXPECT_GE(copy.bytes_copied_late(), 3 * 4096u);
  // Beside a hole, all that a unit of the page cache may hold counts as touched.
  EXPECT_LE(copy.bytes_copied_late(), by_touch_ ? 2u << 20 : 8 * 4096u);
  EXPECT_LE(allocated_bytes(target_.get()), allocated_bytes(disk_.get()));
}

// The same bytes again: the time says that the disk was written, the comparison that nothing changed.
TEST_P(InstantCopyTest, ComparesADiskThatWasWrittenWithTheSame) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('b', 1 << 20, 300'000);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
  EXPECT_EQ(copy.bytes_copied_late(), by_touch_ ? copy.bytes_looked_at_late() : 0u);
}

// How long the pause is depends on what changed, not on how large the disk is.
TEST_P(InstantCopyTest, LooksInThePauseOnlyAtWhatWasTouched) {
  if (GetParam() != 0) return;
  if (!by_touch_) GTEST_SKIP() << "the page cache is not shown here";
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('c', (1 << 20) + 8192, 4096);
  write('d', 3 << 20, 4096);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
  EXPECT_EQ(copy.bytes_looked_at_late(), 2 * 4096u);
}

// Which may have to wait for the host's journal, and for memory.
TEST_P(InstantCopyTest, WritesNothingInThePause) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('c', (1 << 20) + 8192, 4096);
  punch(0, 64 << 10);
  const std::string before = read_file(folder_.path("copy"), 2 * kSize);
  const uint64_t allocated = allocated_bytes(target_.get());
  copy.complete(Deadline::never());
  if (shares_) return;
  EXPECT_TRUE(read_file(folder_.path("copy"), 2 * kSize) == before);
  EXPECT_EQ(allocated_bytes(target_.get()), allocated);
  copy.finish(Deadline::never());
  expect_same();
  EXPECT_LT(allocated_bytes(target_.get()), allocated);
}

// The engine turned out to have worked for its guest in the pause.
TEST_P(InstantCopyTest, IsOfTheLastInstantOfSeveral) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('c', (1 << 20) + 8192, 4096);
  write('d', 3 << 20, 8192);
  copy.complete(Deadline::never());
  write('e', (1 << 20) + 8192, 4096);
  punch(3 << 20, 4096);
  punch(0, 64 << 10);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
}

// As a guest does: what it flushed is no longer dirty, and has changed all the same.
TEST_P(InstantCopyTest, FindsWhatWasWrittenAndFlushed) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('c', (1 << 20) + 8192, 4096);
  ASSERT_EQ(::fsync(disk_.get()), 0);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
}

// Somebody reads the disk, and drops what he read from the page cache: with it goes what was written.
TEST_P(InstantCopyTest, IsNotMisledByWhoDropsPages) {
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('c', (1 << 20) + 8192, 4096);
  const UniqueFd backup = open_at(AT_FDCWD, folder_.path("disk"), O_RDONLY);
  ASSERT_EQ(::fsync(disk_.get()), 0);
  ASSERT_EQ(::posix_fadvise(backup.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
}

TEST_P(InstantCopyTest, OfADiskThatEndsWithinABlock) {
  ASSERT_EQ(::ftruncate(disk_.get(), kSize + 512), 0);
  write('e', kSize - 4096, 4096 + 512);
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('f', kSize, 512);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
}

TEST_P(InstantCopyTest, IsNotMisledByATimeToCome) {
  const timespec times[2] = {{4'000'000'000, 0}, {4'000'000'000, 0}};
  ASSERT_EQ(::futimens(disk_.get(), times), 0);
  InstantCopy copy(disk_.get(), target_.get(), options());
  copy.copy_ahead(Deadline::never());
  write('e', 5000, 5000);
  ASSERT_EQ(::futimens(disk_.get(), times), 0);
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  expect_same();
}

TEST_P(InstantCopyTest, EndsAtItsDeadline) {
  if (shares_) GTEST_SKIP() << "there is nothing to wait for on this file system";
  const Deadline over = Deadline::after(std::chrono::seconds(0));
  InstantCopy copy(disk_.get(), target_.get(), options());
  EXPECT_EQ(code_thrown_by([&] { copy.copy_ahead(over); }), Code::kTimeout);
  ASSERT_EQ(::ftruncate(target_.get(), 0), 0);
  copy.copy_ahead(Deadline::never());
  punch(0, 64 << 10);
  EXPECT_EQ(code_thrown_by([&] { copy.complete(over); }), Code::kTimeout);
}

// Whenever the writer is stopped, the copy is of that moment. Its large writes are large units of the page
// cache, of which it makes holes.
TEST_P(InstantCopyTest, OfADiskThatIsWrittenAllTheTime) {
  int refused = 0;
  for (unsigned round = 0; round < 10 && refused < 5; ++round) {
    UniqueFd target = open_at(AT_FDCWD, folder_.path("copy"), O_RDWR | O_CREAT | O_TRUNC);
    InstantCopy copy(disk_.get(), target.get(), options());
    {
      const std::jthread guest([&](const std::stop_token& stop) {
        std::mt19937 random(round);
        while (!stop.stop_requested()) {
          const uint64_t at = random() % (kSize / 512) * 512;
          if (random() % 1000 == 0)
            write(static_cast<char>(random()), at / 2, 300'000);
          else if (random() % 8 == 0)
            punch(at / 4096 * 4096, 4096);
          else
            write(static_cast<char>(random()), at, 512);
        }
      });
      copy.copy_ahead(Deadline::never());
    }
    // A host that is short of memory may have dropped what tells of changes; it says so.
    const auto code = code_thrown_by([&] {
      copy.complete(Deadline::never());
      copy.finish(Deadline::never());
    });
    ASSERT_TRUE(!code || code == Code::kBusy) << to_string(*code);
    if (code) ++refused;
    if (!code) expect_same();
  }
  EXPECT_LT(refused, 5);
}

// A guest that never rests: the pause is bounded, or there is none.
TEST_P(InstantCopyTest, DoesNotBeginAPauseThatCantEnd) {
  if (GetParam() != 0) return;
  if (!by_touch_) GTEST_SKIP() << "the page cache is not shown here";
  const std::string data(kSize, 'g');
  const std::jthread guest([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) write_at(disk_.get(), data.data(), data.size(), 0);
  });
  // On a busy host, a guest may rest without wishing to: then a pause is right.
  std::string message;
  for (int attempt = 0; attempt < 100 && message.empty(); ++attempt) {
    ASSERT_EQ(::ftruncate(target_.get(), 0), 0);
    InstantCopy copy(disk_.get(), target_.get(),
                     {.longest_pause = std::chrono::milliseconds(1), .small_disk = 0});
    message = message_thrown_by([&] { copy.copy_ahead(Deadline::never()); });
  }
  EXPECT_NE(message.find("the guest writes its disk faster than it can be copied ("), std::string::npos)
      << message;
  EXPECT_NE(message.find("MiB more each time)"), std::string::npos) << message;
  EXPECT_NE(message.find("--max-pause"), std::string::npos) << message;
}

// In both ways; of what shares its blocks nothing is copied ahead.
TEST_P(InstantCopyTest, MayTakeAnyTimeWhereThePauseHasNoLimit) {
  const std::string data(kSize, 'g');
  const std::jthread guest([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) write_at(disk_.get(), data.data(), data.size(), 0);
  });
  InstantCopy copy(disk_.get(), target_.get(),
                   {.longest_pause = std::chrono::milliseconds::max(), .small_disk = GetParam()});
  EXPECT_EQ(message_thrown_by([&] { copy.copy_ahead(Deadline::never()); }), "");
}

// All that a fast guest wrote since the last look, and its host not yet to its disk: more than there is
// memory for it.
TEST(InstantCopyOfALargeDisk, HasWhatIsDirtyAtTheInstant) {
  constexpr uint64_t kMiB = 1 << 20;
  const TestFolder folder;
  const UniqueFd disk = open_at(AT_FDCWD, folder.path("disk"), O_RDWR | O_CREAT | O_EXCL);
  const UniqueFd target = open_at(AT_FDCWD, folder.path("copy"), O_RDWR | O_CREAT | O_EXCL);
  const auto fill = [&](char letter, uint64_t mib) {
    const std::string data(kMiB, letter);
    for (uint64_t at = 0; at < mib; ++at) write_at(disk.get(), data.data(), data.size(), at * kMiB);
  };
  fill('a', 120);
  InstantCopy copy(disk.get(), target.get(), {.longest_pause = std::chrono::seconds(60)});
  copy.copy_ahead(Deadline::never());
  fill('b', 100);
  punch_hole(disk.get(), {3 * kMiB, 4 * kMiB});
  copy.complete(Deadline::never());
  copy.finish(Deadline::never());
  if (copy.bytes_to_store() != 0) {
    EXPECT_GE(copy.bytes_copied_late(), 99 * kMiB);
  }
  EXPECT_TRUE(read_file(folder.path("disk"), 128 * kMiB) == read_file(folder.path("copy"), 128 * kMiB));
}

// XFS in a file, mounted, for as long as this lives; not where nobody may mount it.
class MountedXfs {
 public:
  explicit MountedXfs(const TestFolder& folder) : image_(folder.path("xfs")), point_(folder.path("mounted")) {
    const std::string mkfs = find_program("/usr/sbin/mkfs.xfs");
    if (::geteuid() != 0 || mkfs.empty()) return;
    make_directories(point_);
    const UniqueFd image = open_at(AT_FDCWD, image_, O_RDWR | O_CREAT | O_EXCL);
    EXPECT_EQ(::ftruncate(image.get(), off_t{1} << 30), 0);
    run_checked({.argv = {mkfs, "-q", image_}}, Deadline::never());
    mounted_ = run_program({.argv = {"/bin/mount", "-o", "loop", image_, point_}}, Deadline::never())
                   .status.success();
  }
  ~MountedXfs() {
    if (mounted_) run_program({.argv = {"/bin/umount", point_}}, Deadline::never());
  }
  MountedXfs(const MountedXfs&) = delete;
  MountedXfs& operator=(const MountedXfs&) = delete;

  explicit operator bool() const { return mounted_; }
  uint64_t free_bytes() const {
    struct statvfs system = {};
    EXPECT_EQ(::statvfs(point_.c_str(), &system), 0);
    return system.f_bfree * system.f_frsize;
  }
  const std::string& path() const { return point_; }

 private:
  std::string image_, point_;
  bool mounted_ = false;
};

TEST(InstantCopySharing, CostsNothingWhereTheFileSystemSharesExtents) {
  const TestFolder folder;
  const MountedXfs xfs(folder);
  if (!xfs) GTEST_SKIP() << "XFS can't be mounted here";
  {
    const UniqueFd disk = open_at(AT_FDCWD, xfs.path() + "/disk", O_RDWR | O_CREAT | O_EXCL);
    const UniqueFd target = open_at(AT_FDCWD, xfs.path() + "/copy", O_RDWR | O_CREAT | O_EXCL);
    const std::string data(64 << 20, 'd');
    write_at(disk.get(), data.data(), data.size(), 0);
    ASSERT_EQ(::fsync(disk.get()), 0);
    const uint64_t before = xfs.free_bytes();
    InstantCopy copy(disk.get(), target.get());
    EXPECT_EQ(copy.bytes_to_store(), 0U);
    copy.copy_ahead(Deadline::never());
    write_at(disk.get(), "late", 4, 5000);
    copy.complete(Deadline::never());
    copy.finish(Deadline::never());
    EXPECT_EQ(copy.bytes_looked_at_late(), 0U);
    EXPECT_LT(before - std::min(before, xfs.free_bytes()), 8U << 20);
    std::string late(4, ' ');
    read_at(target.get(), late.data(), late.size(), 5000);
    EXPECT_EQ(late, "late");
    EXPECT_EQ(file_size(target.get()), data.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, InstantCopyTest, ::testing::Values(InstantCopyOptions().small_disk, 0),
                         [](const auto& way) { return way.param == 0 ? "ByTouch" : "ByComparison"; });

}  // namespace
}  // namespace knaller::disk
