#include "disk/touched_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/test_folder.h"

namespace knaller::disk {
namespace {

constexpr uint64_t kSize = 40 << 20;

class TouchedPagesTest : public ::testing::TestWithParam<CacheQuery> {
 protected:
  TouchedPagesTest() {
    EXPECT_EQ(::ftruncate(file_.get(), kSize), 0);
    write(0, 1 << 20);
    touched_ = TouchedPages::watch_by(GetParam(), file_.get(), kSize, scratch_.get());
  }
  void SetUp() override {
    if (!touched_) GTEST_SKIP() << "the page cache is not shown here";
    touched_->forget({{0, kSize}});
  }

  void write(uint64_t offset, size_t size) {
    const std::string data(size, 'x');
    write_at(file_.get(), data.data(), data.size(), offset);
  }
  std::vector<Extent> all() const { return touched_->all(Deadline::never()); }

  TestFolder folder_;
  UniqueFd file_ = open_at(AT_FDCWD, folder_.path("file"), O_RDWR | O_CREAT | O_EXCL);
  UniqueFd scratch_ = open_at(AT_FDCWD, folder_.path("scratch"), O_RDWR | O_CREAT | O_EXCL);
  std::unique_ptr<TouchedPages> touched_;
};

TEST_P(TouchedPagesTest, AreThoseThatWereWrittenOrRead) {
  EXPECT_TRUE(all().empty());
  write(8192, 1);
  write(33 << 20, 8192);
  EXPECT_EQ(all(), (std::vector<Extent>{{8192, 12288}, {33 << 20, (33 << 20) + 8192}}));
  ASSERT_EQ(::fsync(file_.get()), 0);
  EXPECT_EQ(all().size(), 2U);
  touched_->forget({{8192, 12288}});
  EXPECT_EQ(all(), (std::vector<Extent>{{33 << 20, (33 << 20) + 8192}}));
  ASSERT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_RANDOM), 0);
  char byte = 0;
  read_at(file_.get(), &byte, 1, 4096 * 100);
  EXPECT_EQ(all().front(), (Extent{4096 * 100, 4096 * 101}));
}

TEST_P(TouchedPagesTest, LeaveTheScratchFileEmpty) {
  EXPECT_EQ(file_size(scratch_.get()), 0U);
}

TEST_P(TouchedPagesTest, AreNotCertainWhenSomebodyElseOpensTheFile) {
  const UniqueFd other = open_at(AT_FDCWD, folder_.path("file"), O_RDONLY);
  EXPECT_FALSE(touched_->is_complete());
  EXPECT_FALSE(touched_->is_complete());
}

// Of /proc and its like nobody knows how they come by their pages.
TEST(TouchedPages, AreNotToldOfAnUnknownFileSystem) {
  TestFolder folder;
  const UniqueFd scratch = open_at(AT_FDCWD, folder.path("scratch"), O_RDWR | O_CREAT | O_EXCL);
  const UniqueFd odd = open_at(AT_FDCWD, "/proc/version", O_RDONLY);
  EXPECT_EQ(TouchedPages::watch(odd.get(), 4096, scratch.get()), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Ways, TouchedPagesTest,
                         ::testing::Values(CacheQuery::kStatistics, CacheQuery::kResidency),
                         [](const auto& way) {
                           return way.param == CacheQuery::kStatistics ? "Statistics" : "Residency";
                         });

}  // namespace
}  // namespace knaller::disk
