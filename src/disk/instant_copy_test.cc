#include "disk/instant_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "base/file.h"
#include "base/test_folder.h"

namespace knaller::disk {
namespace {

constexpr uint64_t kSize = 4 << 20;

// A sparse disk with something on it, and the file that becomes its copy.
class InstantCopyTest : public ::testing::Test {
 protected:
  InstantCopyTest()
      : disk_(open_at(AT_FDCWD, folder_.path("disk"), O_RDWR | O_CREAT | O_EXCL)),
        target_(open_at(AT_FDCWD, folder_.path("copy"), O_RDWR | O_CREAT | O_EXCL)) {
    EXPECT_EQ(::ftruncate(disk_.get(), kSize), 0);
    write('a', 0, 100'000);
    write('b', 1 << 20, 300'000);
  }

  void write(char letter, uint64_t offset, size_t size) {
    const std::string data(size, letter);
    write_at(disk_.get(), data.data(), data.size(), offset);
  }
  void punch(uint64_t offset, uint64_t size) {
    EXPECT_EQ(::fallocate(disk_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                          static_cast<off_t>(size)),
              0);
  }
  void expect_same() const {
    EXPECT_EQ(read_file(folder_.path("disk"), 2 * kSize), read_file(folder_.path("copy"), 2 * kSize));
  }

  TestFolder folder_;
  UniqueFd disk_;
  UniqueFd target_;
};

TEST_F(InstantCopyTest, OfADiskThatNobodyWritesTo) {
  InstantCopy copy(disk_.get(), target_.get());
  copy.copy_ahead(Deadline::never());
  copy.complete(Deadline::never());
  expect_same();
  EXPECT_EQ(copy.bytes_copied_late(), 0u);
}

TEST_F(InstantCopyTest, BringsOverWhatChangedAndNoMore) {
  InstantCopy copy(disk_.get(), target_.get());
  copy.copy_ahead(Deadline::never());
  write('c', 2 << 20, 10);                  // where a hole was
  write('d', (1 << 20) + 4096, 4096);       // over data
  write('\0', (1 << 20) + 3 * 4096, 4096);  // zeros over data
  punch(0, 64 << 10);                       // a discarded stretch
  copy.complete(Deadline::never());
  expect_same();
  EXPECT_EQ(copy.bytes_copied_late(), 3 * 4096u);
  EXPECT_LE(allocated_bytes(target_.get()), allocated_bytes(disk_.get()));
}

// The same bytes again: the time says that the disk was written, the comparison that nothing changed.
TEST_F(InstantCopyTest, ComparesADiskThatWasWrittenWithTheSame) {
  InstantCopy copy(disk_.get(), target_.get());
  copy.copy_ahead(Deadline::never());
  write('b', 1 << 20, 300'000);
  copy.complete(Deadline::never());
  expect_same();
  EXPECT_EQ(copy.bytes_copied_late(), 0u);
}

TEST_F(InstantCopyTest, IsNotMisledByATimeToCome) {
  const timespec times[2] = {{4'000'000'000, 0}, {4'000'000'000, 0}};
  ASSERT_EQ(::futimens(disk_.get(), times), 0);
  InstantCopy copy(disk_.get(), target_.get());
  copy.copy_ahead(Deadline::never());
  write('e', 5000, 5000);
  ASSERT_EQ(::futimens(disk_.get(), times), 0);
  copy.complete(Deadline::never());
  expect_same();
}

TEST_F(InstantCopyTest, EndsAtItsDeadline) {
  const Deadline over = Deadline::after(std::chrono::seconds(0));
  InstantCopy copy(disk_.get(), target_.get());
  EXPECT_EQ(code_thrown_by([&] { copy.copy_ahead(over); }), Code::kTimeout);
  ASSERT_EQ(::ftruncate(target_.get(), 0), 0);
  copy.copy_ahead(Deadline::never());
  punch(0, 64 << 10);
  EXPECT_EQ(code_thrown_by([&] { copy.complete(over); }), Code::kTimeout);
}

// Whenever the writer is stopped, the copy is of that moment.
TEST_F(InstantCopyTest, OfADiskThatIsWrittenAllTheTime) {
  for (unsigned round = 0; round < 10; ++round) {
    UniqueFd target = open_at(AT_FDCWD, folder_.path("copy"), O_RDWR | O_CREAT | O_TRUNC);
    InstantCopy copy(disk_.get(), target.get());
    {
      const std::jthread guest([&](const std::stop_token& stop) {
        std::mt19937 random(round);
        while (!stop.stop_requested()) {
          const uint64_t at = random() % (kSize / 512) * 512;
          if (random() % 8 == 0)
            punch(at / 4096 * 4096, 4096);
          else
            write(static_cast<char>(random()), at, 512);
        }
      });
      copy.copy_ahead(Deadline::never());
    }
    copy.complete(Deadline::never());
    expect_same();
  }
}

}  // namespace
}  // namespace knaller::disk
