// A disk that the host's page cache does not hold, and a guest that writes to it: how long the guest stands
// still must not depend on how large the disk is. With --full, the disk is as large as people have them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "base/file.h"
#include "base/group_place.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "disk/instant_copy.h"

#ifndef KNALLER_ASAN  // whose memory does not fit into so small a group
namespace knaller::disk {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMiB = 1 << 20;

struct Shape {
  uint64_t disk = 1 << 30;
  uint64_t data = 128 * kMiB;
  uint64_t memory = 48 * kMiB;
  std::chrono::milliseconds between_writes{20};
};

bool is_thorough() {
  const char* const thorough = std::getenv("KNALLER_THOROUGH");
  return thorough != nullptr && std::string_view(thorough) != "1";
}

Shape shape() {
  if (!is_thorough()) return {};
  return {20ULL << 30, 6ULL << 30, 1ULL << 30, std::chrono::seconds(1)};
}

// A control group with so much memory, in which this process is as long as this lives; in none where nobody
// lets it have one.
class SmallHost {
 public:
  explicit SmallHost(uint64_t memory) {
    const std::string mounts = read_file("/proc/self/mountinfo", kMiB);
    const auto old = find_group_mount(mounts, GroupVersion::k1);
    if (old) {
      before_ = old->point + below_mount(*old, own_group(":memory:"));
    } else if (const GroupPlace place = prepare_group_place(); place.has("memory")) {
      const auto mount = find_group_mount(mounts, GroupVersion::k2);
      before_ = mount->point + below_mount(*mount, own_group("0::"));
      group_ = place.folder;
    }
    if (group_.empty()) group_ = before_;
    group_ += fmt::format("/knaller-test-{}", ::getpid());
    is_there_ = !before_.empty() && ::mkdir(group_.c_str(), 0755) == 0;
    is_entered_ = is_there_ && put(group_ + (old ? "/memory.limit_in_bytes" : "/memory.max"), memory) &&
                  put(group_ + "/cgroup.procs", 0);
  }
  ~SmallHost() {
    if (is_entered_) {
      EXPECT_TRUE(put(before_ + "/cgroup.procs", 0));
    }
    if (is_there_) {
      EXPECT_EQ(::rmdir(group_.c_str()), 0) << group_;
    }
  }
  SmallHost(const SmallHost&) = delete;
  SmallHost& operator=(const SmallHost&) = delete;

  explicit operator bool() const { return is_entered_; }

 private:
  static std::string own_group(std::string_view hierarchy) {
    const std::string groups = read_file("/proc/self/cgroup", kMiB);
    for (const std::string_view line : split(groups, '\n')) {
      const size_t at = line.find(hierarchy);
      if (at != std::string_view::npos) return std::string(line.substr(at + hierarchy.size()));
    }
    return {};
  }
  static bool put(const std::string& file, uint64_t number) {
    std::ofstream stream(file);
    return static_cast<bool>(stream << number << std::flush);
  }

  std::string before_, group_;
  bool is_there_ = false;
  bool is_entered_ = false;
};

class LargeDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!host_) GTEST_SKIP() << "no control group of one's own here";
    ASSERT_EQ(::ftruncate(disk_.get(), static_cast<off_t>(shape_.disk)), 0);
    std::string piece(kMiB, 'd');
    for (uint64_t at = 0; at < pieces(); ++at) {
      std::memcpy(piece.data(), &at, sizeof at);
      write_at(disk_.get(), piece.data(), piece.size(), place_of(at));
    }
    ASSERT_EQ(::fsync(disk_.get()), 0);
    const UniqueFd scratch = new_copy();
    if (!TouchedPages::watch_by(CacheQuery::kStatistics, disk_.get(), shape_.disk, scratch.get()) ||
        InstantCopy(disk_.get(), scratch.get()).bytes_to_store() == 0)
      GTEST_SKIP() << "the page cache is not shown here";
  }

  // Whole MiB of data with holes between them: every one is an extent.
  uint64_t pieces() const { return shape_.data / kMiB; }
  uint64_t place_of(uint64_t piece) const { return piece * (shape_.disk / shape_.data) * kMiB; }
  UniqueFd new_copy() const { return open_at(AT_FDCWD, folder_.path("copy"), O_RDWR | O_CREAT | O_TRUNC); }
  void write_a_page() {
    const std::string page(kBlockBytes, static_cast<char>(random_()));
    write_at(disk_.get(), page.data(), page.size(),
             place_of(random_() % pieces()) + random_() % (kMiB / kBlockBytes) * kBlockBytes);
  }
  // Not through the page cache of files that are larger than it, nor through this process's memory.
  void expect_same(int copy) const {
    const auto disk_data = data_pieces(disk_.get(), {0, shape_.disk}, kMiB);
    std::vector<char> a(kMiB), b(kMiB);
    for (const Extent& piece : disk_data) {
      read_at(disk_.get(), a.data(), piece.size(), piece.begin);
      read_at(copy, b.data(), piece.size(), piece.begin);
      ASSERT_TRUE(std::equal(a.begin(), a.begin() + static_cast<ptrdiff_t>(piece.size()), b.begin()))
          << piece.begin;
    }
    EXPECT_EQ(file_size(copy), shape_.disk);
    EXPECT_LE(allocated_bytes(copy), allocated_bytes(disk_.get()) + kMiB);
  }

  Shape shape_ = shape();
  TestFolder folder_;
  UniqueFd disk_ = open_at(AT_FDCWD, folder_.path("disk"), O_RDWR | O_CREAT | O_EXCL);
  std::mt19937 random_;
  SmallHost host_{shape_.memory};
};

// As it stands still: what its engine wrote is on the host's disk, and nobody writes.
TEST_F(LargeDisk, NeedsNoLongerPauseThanASmallOne) {
  std::vector<Clock::duration> pauses;
  for (int round = 0; round < 3; ++round) {
    const UniqueFd target = new_copy();
    InstantCopy copy(disk_.get(), target.get());
    {
      const std::jthread guest([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          write_a_page();
          ::fdatasync(disk_.get());
          std::this_thread::sleep_for(shape_.between_writes);
        }
      });
      copy.copy_ahead(Deadline::never());
    }
    write_a_page();
    ASSERT_EQ(::fdatasync(disk_.get()), 0);
    struct stat before = {};
    struct stat after = {};
    ASSERT_EQ(::fstat(target.get(), &before), 0);
    const auto began = Clock::now();
    copy.complete(Deadline::never());
    pauses.push_back(Clock::now() - began);
    ASSERT_EQ(::fstat(target.get(), &after), 0);
    EXPECT_LE(copy.bytes_looked_at_late(), 3 * kMiB);
    EXPECT_EQ(before.st_blocks, after.st_blocks);
    EXPECT_TRUE(before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
                before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    copy.finish(Deadline::never());
    expect_same(target.get());
  }
  // Others use the machine that this runs on, too.
  EXPECT_LE(*std::ranges::min_element(pauses), std::chrono::milliseconds(100));
}

// As fast as it can: either there is no copy, and it is said why, or the pause was no longer than allowed.
TEST_F(LargeDisk, IsNotPausedForLongerThanAllowedWhileItIsWrittenAllTheTime) {
  const auto longest = std::chrono::milliseconds(is_thorough() ? 200 : 1000);
  const UniqueFd target = new_copy();
  InstantCopy copy(disk_.get(), target.get(), {.longest_pause = longest});
  try {
    {
      const std::jthread guest([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) write_a_page();
      });
      copy.copy_ahead(Deadline::never());
    }
    copy.complete(Deadline::after(longest));
    copy.finish(Deadline::never());
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::kBusy || error.code() == Code::kTimeout) << error.what();
    return;
  }
  expect_same(target.get());
}

}  // namespace
}  // namespace knaller::disk

#endif
