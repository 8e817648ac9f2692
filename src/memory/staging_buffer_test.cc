#include "memory/staging_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "base/error.h"
#include "memory/guest_memory.h"
#include "memory/test_memory.h"

namespace knaller::memory {
namespace {

constexpr uint64_t kGuest = 4 * kShare + kShare / 2;

TEST(StagingBuffer, IsPresentAndZeroed) {
  StagingBuffer staging(2 * kShare);
  char* const room = staging.take({{kShare, 2 * kShare}});
  ASSERT_NE(room, nullptr);
  std::vector<unsigned char> present(kShare / kPage);
  ASSERT_EQ(::mincore(room, kShare, present.data()), 0);
  for (const unsigned char page : present) EXPECT_EQ(page & 1, 1);
  EXPECT_TRUE(is_zero(room, kShare));
}

// "dd" among the mapping's flags in smaps: it is not part of a core file.
TEST(StagingBuffer, IsNotDumped) {
  StagingBuffer staging(kShare);
  char* const room = staging.take({{0, kShare}});
  ASSERT_NE(room, nullptr);
  bool inside = false;
  std::ifstream smaps("/proc/self/smaps");
  for (std::string line; std::getline(smaps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
      inside = begin <= reinterpret_cast<uintptr_t>(room) && reinterpret_cast<uintptr_t>(room) < end;
    if (inside && line.starts_with("VmFlags:")) {
      EXPECT_NE(line.find(" dd"), std::string::npos) << line;
      return;
    }
  }
  FAIL() << "the mapping is not in smaps";
}

TEST(StagingBuffer, GivesItsRoomOnceToWhomeverFits) {
  StagingBuffer staging(5 * kShare + kPage);
  std::vector<std::vector<char*>> taken(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : taken)
      threads.emplace_back([&] {
        for (int i = 0; i < 3; ++i) mine.push_back(staging.take({{0, kPage}, {kShare, 2 * kShare - kPage}}));
      });
  }
  std::multiset<char*> rooms;
  for (const auto& mine : taken) rooms.insert(mine.begin(), mine.end());
  EXPECT_EQ(rooms.count(nullptr), 4 * 3 - 5);
  rooms.erase(nullptr);
  for (auto room = rooms.begin(); std::next(room) != rooms.end(); ++room)
    EXPECT_EQ(static_cast<uint64_t>(*std::next(room) - *room), kShare);
  EXPECT_EQ(staging.take({{0, 2 * kPage}}), nullptr);
  EXPECT_NE(staging.take({{0, kPage}}), nullptr);
  EXPECT_EQ(staging.parts().size(), 6U);
}

TEST(StagingBuffer, OfNothingHasNothing) {
  StagingBuffer none(0);
  EXPECT_EQ(none.take({{0, kPage}}), nullptr);
  EXPECT_TRUE(none.parts().empty());
}

TEST(StagingBuffer, WithoutMemoryHasNothing) {
  StagingBuffer none(uint64_t{1} << 47);
  EXPECT_EQ(none.take({{0, kPage}}), nullptr);
  EXPECT_TRUE(none.parts().empty());
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
    StagingBuffer staging(slots() * kShare);
    const UniqueFd to = temporary_file();
    EXPECT_EQ(memory.copy_changed(to.get(), Deadline::never(), &staging), (std::vector<Extent>{{0, kGuest}}));
    const std::string before = content(to.get());
    for (const StagingBuffer::Part& part : staging.parts()) {
      EXPECT_EQ(part.extents.size(), 1U);
      const Extent share = part.extents.front();
      EXPECT_TRUE(full_enough.contains(share.begin)) << share.begin;
      EXPECT_TRUE(is_zero(before.data() + share.begin, share.size())) << "it is in the file, too";
      write_part(to.get(), part);
    }
    EXPECT_TRUE(content(to.get()) == filled());
    return staging.parts().size();
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

class StagedCopyOfAClone : public testing::TestWithParam<uint64_t> {};

// All of it, in parts of many pages each, as long as there is room.
TEST_P(StagedCopyOfAClone, WithTheFileIsTheMemory) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kGuest), 0);
  Map map(parent.get(), MAP_PRIVATE, kGuest);
  fill(map.page(0));
  const auto memory = GuestMemory::find(::getpid(), kGuest, parent.get());
  ASSERT_TRUE(memory);
  StagingBuffer staging(GetParam());
  const UniqueFd to = temporary_file();
  const std::vector<Extent> changed = memory->copy_changed(to.get(), Deadline::never(), &staging);
  uint64_t staged = 0;
  for (const StagingBuffer::Part& part : staging.parts()) staged += total_bytes(part.extents);
  EXPECT_EQ(staged == total_bytes(changed), GetParam() >= total_bytes(changed));
  EXPECT_EQ(staged > 0, GetParam() > 0);
  for (const StagingBuffer::Part& part : staging.parts()) write_part(to.get(), part);
  EXPECT_TRUE(content(to.get()) == filled());
}

INSTANTIATE_TEST_SUITE_P(All, StagedCopyOfAClone, testing::Values(0, kShare, kGuest));

}  // namespace
}  // namespace knaller::memory
