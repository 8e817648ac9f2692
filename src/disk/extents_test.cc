#include "disk/extents.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/test_folder.h"

namespace knaller::disk {
namespace {

using Extents = std::vector<Extent>;

TEST(Extents, AreUnited) {
  EXPECT_EQ(unite({}, {}), Extents{});
  EXPECT_EQ(unite({{0, 4}}, {}), (Extents{{0, 4}}));
  EXPECT_EQ(unite({{0, 4}, {8, 12}}, {{4, 8}}), (Extents{{0, 12}}));
  EXPECT_EQ(unite({{0, 100}, {200, 300}}, {{10, 20}, {90, 150}, {400, 500}}),
            (Extents{{0, 150}, {200, 300}, {400, 500}}));
}

TEST(Extents, AreSubtracted) {
  EXPECT_EQ(subtract({{0, 4}}, {}), (Extents{{0, 4}}));
  EXPECT_EQ(subtract({}, {{0, 4}}), Extents{});
  EXPECT_EQ(subtract({{0, 100}}, {{0, 100}}), Extents{});
  EXPECT_EQ(subtract({{0, 100}}, {{10, 20}, {90, 150}}), (Extents{{0, 10}, {20, 90}}));
  EXPECT_EQ(subtract({{0, 10}, {20, 30}, {40, 50}}, {{5, 25}, {28, 45}}),
            (Extents{{0, 5}, {25, 28}, {45, 50}}));
}

class DataOnDisk : public ::testing::Test {
 protected:
  void write(uint64_t offset, size_t size) {
    const std::string data(size, 'x');
    write_at(file_.get(), data.data(), data.size(), offset);
  }
  Extents found(uint64_t size) const { return data_on_disk(file_.get(), size, Deadline::never()); }

  TestFolder folder_;
  UniqueFd file_ = open_at(AT_FDCWD, folder_.path("file"), O_RDWR | O_CREAT | O_EXCL);
};

TEST_F(DataOnDisk, IsWhatIsNoHole) {
  const uint64_t size = 3ULL << 30;
  ASSERT_EQ(::ftruncate(file_.get(), static_cast<off_t>(size)), 0);
  EXPECT_EQ(found(size), Extents{});
  for (uint64_t at = 0; at < 3000; ++at) write(at << 20, 4096);  // more than one answer of the kernel holds
  write((1ULL << 30) - 8192, 16384);                             // over the border of two cores' work
  ASSERT_EQ(::fsync(file_.get()), 0);
  EXPECT_EQ(found(size), data_pieces(file_.get(), {0, size}, size));
  punch_hole(file_.get(), {5 << 20, 6 << 20});
  EXPECT_EQ(found(size), data_pieces(file_.get(), {0, size}, size));
}

// A guest discards and writes all the time.
TEST_F(DataOnDisk, IsFoundBehindAHoleThatIsMadeMeanwhile) {
  constexpr uint64_t kSize = 2 << 20;
  ASSERT_EQ(::ftruncate(file_.get(), kSize), 0);
  write(1 << 20, 4096);
  const std::jthread guest([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      write(0, 4096);
      punch_hole(file_.get(), {0, 4096});
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    const Extents pieces = data_pieces(file_.get(), {0, kSize}, kSize);
    ASSERT_FALSE(pieces.empty()) << i;
    ASSERT_EQ(pieces.back().begin, 1U << 20) << i;
  }
}

// What a write of zeros leaves behind on some disks: blocks that nobody has written.
TEST_F(DataOnDisk, IsNotWhatIsOnlyAllocated) {
  if (::fallocate(file_.get(), 0, 0, 1 << 20) != 0) GTEST_SKIP() << "nothing is allocated ahead here";
  write(8192, 4096);
  ASSERT_EQ(::fsync(file_.get()), 0);
  EXPECT_EQ(found(1 << 20), (Extents{{8192, 12288}}));
}

}  // namespace
}  // namespace knaller::disk
