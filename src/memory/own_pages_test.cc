#include "memory/own_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <cstring>

#include "base/error.h"
#include "memory/test_memory.h"

namespace knaller::memory {
namespace {

constexpr uint64_t kPages = 4096;
constexpr uint64_t kSize = kPages * kPage;

class OwnPages : public testing::Test {
 protected:
  static Extent addresses(Map& map) {
    const auto begin = reinterpret_cast<uint64_t>(map.page(0));
    return {begin, begin + kSize};
  }

  // Both ways, where this kernel has both; as numbers of pages in the mapping.
  std::vector<Extent> own(Map& map) const {
    const Extent all = addresses(map);
    std::vector<Extent> found = read_own_pages(pagemap_.get(), all);
    const auto scanned = scan_own_pages(pagemap_.get(), all);
    EXPECT_EQ(scanned.has_value(), can_scan());
    EXPECT_EQ(scanned.value_or(found), found);
    for (Extent& extent : found) {
      extent.begin = (extent.begin - all.begin) / kPage;
      extent.end = (extent.end - all.begin) / kPage;
    }
    return found;
  }

  static bool can_scan() {
    utsname system = {};
    int major = 0;
    int minor = 0;
    EXPECT_EQ(::uname(&system), 0);
    EXPECT_EQ(std::sscanf(system.release, "%d.%d", &major, &minor), 2);
    return major > 6 || (major == 6 && minor >= 7);
  }

  UniqueFd pagemap_ = UniqueFd(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
};

TEST_F(OwnPages, OfAFileAreThoseThatWereWrittenTo) {
  const UniqueFd file = temporary_file();
  ASSERT_EQ(::ftruncate(file.get(), kSize), 0);
  Map map(file.get(), MAP_PRIVATE, kSize);
  EXPECT_TRUE(own(map).empty());
  EXPECT_EQ(*map.page(7), '\0');  // present, but the file's
  std::memset(map.page(0), 'a', kPage);
  std::memset(map.page(9), 'b', 3 * kPage);
  std::memset(map.page(kPages - 1), 0, kPage);
  EXPECT_EQ(own(map), (std::vector<Extent>{{0, 1}, {9, 12}, {kPages - 1, kPages}}));
}

TEST_F(OwnPages, OfAnonymousMemoryAreThoseThatWereTouched) {
  Map map(-1, MAP_PRIVATE | MAP_ANONYMOUS, kSize);
  ::madvise(map.page(0), kSize, MADV_NOHUGEPAGE);
  std::memset(map.page(1), 'a', kPage);
  std::memset(map.page(1024), 'b', 1024 * kPage);
  EXPECT_EQ(own(map), (std::vector<Extent>{{1, 2}, {1024, 2048}}));
}

TEST_F(OwnPages, HugeOnesAreFoundWhole) {
  Map map(-1, MAP_PRIVATE | MAP_ANONYMOUS, kSize);
  ::madvise(map.page(0), kSize, MADV_HUGEPAGE);
  std::memset(map.page(0), 'a', kSize);
  EXPECT_EQ(own(map), (std::vector<Extent>{{0, kPages}}));
}

// More stretches than one call of the kernel tells.
TEST_F(OwnPages, ManyThatLieApartAreAllFound) {
  Map map(-1, MAP_PRIVATE | MAP_ANONYMOUS, kSize);
  ::madvise(map.page(0), kSize, MADV_NOHUGEPAGE);
  std::vector<Extent> expected;
  for (uint64_t page = 0; page < kPages; page += 2) {
    *map.page(page) = 'x';
    expected.push_back({page, page + 1});
  }
  EXPECT_EQ(own(map), expected);
}

TEST_F(OwnPages, OfWhatIsNoPagemapAreAnError) {
  const UniqueFd file = temporary_file();
  EXPECT_EQ(scan_own_pages(file.get(), {0, kPage}), std::nullopt);
  EXPECT_THROW(read_own_pages(file.get(), {0, kPage}), Error);
}

// Its pagemap is then empty, which is no error of the kernel's.
TEST(OwnPagesOfAProcess, ThatHasEndedAreNotFoundAndWhyIsSaid) {
  const UniqueFd ended = temporary_file();
  try {
    read_own_pages(ended.get(), {0, 4 * kPage});
    FAIL() << "they were read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kIo);
    EXPECT_EQ(error.message(), "cannot read which pages a process changed: the process has ended");
  }
}

}  // namespace
}  // namespace knaller::memory
