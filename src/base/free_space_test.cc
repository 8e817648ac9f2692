#include "base/free_space.h"

#include <gtest/gtest.h>

#include "base/available_memory.h"
#include "base/fd.h"
#include "base/file.h"

namespace knaller {
namespace {

TEST(FreeSpaceTest, IsWithinTheFileSystem) {
  const UniqueFd folder = open_directory("/tmp");
  const FreeSpace space = free_space(folder.get());
  EXPECT_GT(space.total, 0u);
  EXPECT_LE(space.bytes, space.total);
}

TEST(FreeSpaceTest, SaysWhatFits) {
  EXPECT_EQ(room_for({.bytes = 10}, 10), Room::kEnough);
  EXPECT_EQ(room_for({.bytes = 9}, 10), Room::kTooLittle);
  EXPECT_EQ(room_for({.bytes = 9, .may_share = true}, 10), Room::kIfShared);
}

TEST(TotalMemoryTest, IsAtLeastWhatIsTakenHere) {
  EXPECT_GT(total_memory(), uint64_t{8} << 20);
}

}  // namespace
}  // namespace knaller
