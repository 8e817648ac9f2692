#include "memory/compare.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test_folder.h"

namespace knaller::memory {
namespace {

TEST(Compare, CountsPagesThatDiffer) {
  const TestFolder folder;
  const UniqueFd a = open_at(folder.fd(), "a", O_RDWR | O_CREAT);
  const UniqueFd b = open_at(folder.fd(), "b", O_RDWR | O_CREAT);
  constexpr uint64_t kSize = uint64_t{64} << 20;
  for (const int fd : {a.get(), b.get()}) ASSERT_EQ(::ftruncate(fd, kSize), 0);
  EXPECT_EQ(compare_pages(a.get(), b.get(), Deadline::never()).differing, 0U);
  const std::string data(10'000, 'x');
  for (const int fd : {a.get(), b.get()}) write_at(fd, data.data(), data.size(), 1 << 20);
  // Stored zeros are no difference to a hole.
  write_at(a.get(), std::string(8192, '\0').data(), 8192, 40 << 20);
  EXPECT_EQ(compare_pages(a.get(), b.get(), Deadline::never()).differing, 0U);
  write_at(b.get(), "y", 1, (1 << 20) + 4096);
  write_at(a.get(), "y", 1, kSize - 1);
  write_at(b.get(), "ab", 2, (8 << 20) - 1);  // two pages, in two pieces
  const PageDifference found = compare_pages(a.get(), b.get(), Deadline::never());
  EXPECT_EQ(found.differing, 4U);
  EXPECT_EQ(found.pages, kSize / 4096);
}

TEST(Compare, TakesTheRestOfALongerFileForWhatItIs) {
  const TestFolder folder;
  const UniqueFd a = open_at(folder.fd(), "a", O_RDWR | O_CREAT);
  const UniqueFd b = open_at(folder.fd(), "b", O_RDWR | O_CREAT);
  ASSERT_EQ(::ftruncate(a.get(), 4096), 0);
  ASSERT_EQ(::ftruncate(b.get(), 12 << 20), 0);
  write_at(b.get(), "z", 1, 9 << 20);
  const PageDifference found = compare_pages(a.get(), b.get(), Deadline::never());
  EXPECT_EQ(found.differing, 1U);
  EXPECT_EQ(found.pages, 3072U);
}

}  // namespace
}  // namespace knaller::memory
