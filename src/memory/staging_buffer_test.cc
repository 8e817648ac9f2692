#include "memory/staging_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <thread>

#include "base/error.h"
#include "memory/guest_memory.h"
#include "memory/test_memory.h"

namespace knaller::memory {
namespace {

constexpr uint64_t kGuest = 4 * kShare + kShare / 2;

TEST(StagingBuffer, HasItsSlotsPresentAndZeroed) {
  StagingBuffer staging(2);
  char* const slot = staging.take({kShare, 2 * kShare});
  ASSERT_NE(slot, nullptr);
  std::vector<unsigned char> present(kShare / kPage);
  ASSERT_EQ(::mincore(slot, kShare, present.data()), 0);
  for (const unsigned char page : present) EXPECT_EQ(page & 1, 1);
  EXPECT_TRUE(is_zero(slot, kShare));
}

TEST(StagingBuffer, GivesEachSlotOnce) {
  constexpr size_t kSlots = 5;
  StagingBuffer staging(kSlots);
  std::vector<std::vector<char*>> taken(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : taken)
      threads.emplace_back([&] {
        for (int i = 0; i < 3; ++i) mine.push_back(staging.take({0, kShare}));
      });
  }
  std::multiset<char*> slots;
  for (const auto& mine : taken) slots.insert(mine.begin(), mine.end());
  EXPECT_EQ(slots.count(nullptr), 4 * 3 - kSlots);
  slots.erase(nullptr);
  EXPECT_EQ(std::set<char*>(slots.begin(), slots.end()).size(), kSlots);
  EXPECT_EQ(staging.size(), kSlots);
}

TEST(StagingBuffer, OfNothingHasNothing) {
  StagingBuffer none(0);
  EXPECT_EQ(none.take({0, kShare}), nullptr);
  EXPECT_EQ(none.size(), 0u);
}

TEST(StagingBuffer, WithoutMemoryHasNothing) {
  StagingBuffer none((uint64_t{1} << 47) / kShare);
  EXPECT_EQ(none.take({0, kShare}), nullptr);
  EXPECT_EQ(none.size(), 0u);
}

// Shares that are full, empty, thin, full of holes, and short; into memory of zeros.
void fill(char* memory) {
  const auto page = [memory](uint64_t share, uint64_t number) {
    return memory + share * kShare + number * kPage;
  };
  for (uint64_t number = 0; number < kShare / kPage; ++number)
    std::memset(page(0, number), static_cast<int>('a' + number % 26), kPage);
  std::memcpy(page(0, 0xE0), "RSD PTR ", 8);
  std::memset(page(2, 9), 't', kPage);
  for (uint64_t number = 1; number < kShare / kPage; number += 2) std::memset(page(3, number), 'h', kPage);
  std::memset(page(4, 0), 's', kShare / 2);
}

// Not read from the memory itself: that would make pages present.
std::string filled() {
  std::string memory(kGuest, '\0');
  fill(memory.data());
  return memory;
}

class StagedCopy : public testing::TestWithParam<std::tuple<Backing, size_t>> {
 protected:
  StagedCopy() : memfd_(backing() == Backing::kShared ? ::memfd_create(kMemfdName, MFD_CLOEXEC) : -1) {
    if (memfd_ && ::ftruncate(memfd_.get(), kGuest) != 0) fail_errno("ftruncate");
  }
  static Backing backing() { return std::get<0>(GetParam()); }
  static size_t slots() { return std::get<1>(GetParam()); }

  // How many shares were staged.
  static size_t copy(const GuestMemory& memory) {
    const std::set<uint64_t> full_enough = {0, 3 * kShare, 4 * kShare};
    StagingBuffer staging(slots());
    const UniqueFd to = temporary_file();
    EXPECT_EQ(memory.copy_changed(to.get(), Deadline::never(), &staging), (std::vector<Extent>{{0, kGuest}}));
    std::string whole = content(to.get());
    for (size_t at = 0; at < staging.size(); ++at) {
      const Extent share = staging.share(at);
      EXPECT_TRUE(full_enough.contains(share.begin)) << share.begin;
      EXPECT_EQ(staging.bytes(at).size(), share.size());
      EXPECT_TRUE(is_zero(whole.data() + share.begin, share.size())) << "it is in the file, too";
      whole.replace(share.begin, share.size(), staging.bytes(at));
    }
    EXPECT_TRUE(whole == filled());
    return staging.size();
  }

  UniqueFd memfd_;
};

TEST_P(StagedCopy, WithTheFileIsTheMemory) {
  Map map(memfd_.get(), memfd_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, kGuest);
  // Otherwise pages are present where nothing was written.
  if (!memfd_) ::madvise(map.page(0), kGuest, MADV_NOHUGEPAGE);
  fill(map.page(0));
  const auto memory = GuestMemory::find(::getpid(), kGuest, -1);
  ASSERT_TRUE(memory);
  ASSERT_EQ(memory->backing(), backing());
  // One thread writes to the file. Whether another comes to stage something meanwhile, only the kernel knows.
  size_t staged = copy(*memory);
  for (int more = 0; more < 1000 && slots() > 0 && staged == 0; ++more) staged = copy(*memory);
  EXPECT_EQ(staged > 0, slots() > 0);
}

INSTANTIATE_TEST_SUITE_P(All, StagedCopy,
                         testing::Combine(testing::Values(Backing::kShared, Backing::kAnonymous),
                                          testing::Values(0, 2, 9)));

TEST(StagedCopyOfAClone, GoesToTheFile) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kGuest), 0);
  Map map(parent.get(), MAP_PRIVATE, kGuest);
  fill(map.page(0));
  const auto memory = GuestMemory::find(::getpid(), kGuest, parent.get());
  ASSERT_TRUE(memory);
  StagingBuffer staging(4);
  const UniqueFd to = temporary_file();
  memory->copy_changed(to.get(), Deadline::never(), &staging);
  EXPECT_EQ(staging.size(), 0u);
  EXPECT_TRUE(content(to.get()) == filled());
}

}  // namespace
}  // namespace knaller::memory
