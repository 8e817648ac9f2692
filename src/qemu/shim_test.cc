// The library that is loaded into QEMU, loaded into a program that makes a hole.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "disk/hole_marks.h"
#include "disk/page_cache.h"

namespace knaller::qemu {
namespace {

class HoleShim : public ::testing::Test {
 protected:
  static constexpr uint64_t kSize = 8 << 20;

  HoleShim() {
    const std::string data(kSize, 'x');
    write_at(file_.get(), data.data(), data.size(), 0);
    disk::drop_cached_pages(file_.get(), {{0, kSize}});
  }
  void make_hole(uint64_t at) const {
    SpawnOptions options;
    options.argv = {"/usr/bin/fallocate", "--punch-hole", "--offset",          std::to_string(at),
                    "--length",           "4096",         folder_.path("disk")};
    options.environment = {"LD_PRELOAD=" KNALLER_QEMU_SHIM};
    run_checked(options, Deadline::never());
  }
  std::vector<Extent> cached() const {
    return disk::cached_pages(file_.get(), kSize, disk::CacheQuery::kResidency, Deadline::never());
  }

  TestFolder folder_;
  UniqueFd file_ = open_at(AT_FDCWD, folder_.path("disk"), O_RDWR | O_CREAT | O_EXCL);
};

TEST_F(HoleShim, HasWhatLiesBesideAHoleInThePageCacheOfAWatchedDisk) {
  if (!cached().empty()) GTEST_SKIP() << "the page cache is not dropped here";
  const UniqueFd watcher = open_at(AT_FDCWD, folder_.path("disk"), O_RDONLY);
  ASSERT_TRUE(try_lock_byte(watcher.get(), KNALLER_WATCH_BYTE, LockKind::kShared));
  constexpr uint64_t kHole = (2 << 20) + 40960;
  make_hole(kHole);
  const std::vector<Extent> there = cached();
  const auto has = [&](uint64_t at) {
    return std::ranges::any_of(there, [at](const Extent& one) { return one.begin <= at && at < one.end; });
  };
  for (uint64_t at = 2 << 20; at < 4 << 20; at += 4096) EXPECT_TRUE(at == kHole || has(at)) << at;
}

TEST_F(HoleShim, DoesNothingWhereNobodyWatches) {
  if (!cached().empty()) GTEST_SKIP() << "the page cache is not dropped here";
  make_hole((2 << 20) + 40960);
  EXPECT_TRUE(cached().empty());
}

}  // namespace
}  // namespace knaller::qemu
