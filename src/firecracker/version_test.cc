#include "firecracker/version.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace knaller::firecracker {
namespace {

Version v(std::string_view text) {
  return parse_version(text);
}

TEST(Version, IsParsedAndPrinted) {
  for (const char* text : {"1.7.0", "1.17.0-dev", "0.0.1", "10.20.30-rc.1+x"})
    EXPECT_EQ(v(text).text(), text);
  EXPECT_EQ(v("v1.7.0"), v("1.7.0"));
  EXPECT_EQ(v(" 1.7.0\n"), v("1.7.0"));
}

TEST(Version, OthersAreRefused) {
  for (const char* text : {"", "v", "1", "1.7", "1.7.0.1", "1.7.x", "-1.7.0", "1.7.0-", "1.7.0-a b",
                           "1.7.0-\n", "999999.1.1", "1..0", "1.7.0-\xff", "99999999999999999999.1.1"})
    EXPECT_THROW(v(text), Error) << text;
}

TEST(Version, IsOrdered) {
  EXPECT_LT(v("1.7.0"), v("1.10.0"));
  EXPECT_LT(v("1.16.9"), v("1.17.0-dev"));
  EXPECT_LT(v("1.17.0-dev"), v("1.17.0"));
  EXPECT_LT(v("1.17.0"), v("1.17.1"));
  EXPECT_LT(v("1.17.0"), v("2.0.0"));
}

TEST(Version, KnowsWhatCameWhen) {
  EXPECT_FALSE(features(v("1.11.9")).network_overrides);
  EXPECT_TRUE(features(v("1.12.0")).network_overrides);
  EXPECT_FALSE(features(v("1.12.9")).track_dirty_pages_load);
  EXPECT_TRUE(features(v("1.13.0")).track_dirty_pages_load);
  EXPECT_TRUE(features(v("1.17.0-dev")).load_huge_pages);
  EXPECT_FALSE(features(v("1.16.2")).load_huge_pages);
  EXPECT_TRUE(features(v("1.17.0")).load_huge_pages);
  EXPECT_TRUE(features(v("1.17.0")).sync_snapshot_files);
  EXPECT_TRUE(features(v("2.0.0")).sync_snapshot_files);
  EXPECT_FALSE(features(v("1.17.0-dev")).sync_snapshot_files);
  EXPECT_FALSE(features(v("1.16.2")).sync_snapshot_files);
}

// It was carried back to two older branches, and is missing in between.
TEST(Version, KnowsWhichHaveARealTimeClock) {
  for (const char* with : {"1.14.4", "1.14.9", "1.15.1", "1.16.0", "1.17.0-dev", "2.0.0"})
    EXPECT_TRUE(features(v(with)).clock_realtime) << with;
  for (const char* without : {"1.7.0", "1.13.9", "1.14.3", "1.15.0"})
    EXPECT_FALSE(features(v(without)).clock_realtime) << without;
}

class QueryVersion : public ::testing::Test {
 protected:
  Code query(const std::string& script) {
    write_file_atomically(AT_FDCWD, program_, script, Durability::kNoSync, 0700);
    try {
      found_ = query_version(program_, Deadline::after(std::chrono::seconds(20)));
    } catch (const Error& error) {
      return error.code();
    }
    return Code::kInternal;
  }

  TestFolder folder_;
  const std::string program_ = folder_.path("engine");
  Version found_;
};

TEST_F(QueryVersion, ReadsTheFirstLine) {
  query("#!/bin/sh\necho Firecracker v1.17.0-dev\necho\necho 2026 exiting\n");
  EXPECT_EQ(found_, v("1.17.0-dev"));
}

TEST_F(QueryVersion, RefusesWhatIsNoFirecracker) {
  EXPECT_EQ(query("#!/bin/sh\necho QEMU emulator version 7.2\n"), Code::kUnsupported);
  EXPECT_EQ(query("#!/bin/sh\n"), Code::kUnsupported);
  EXPECT_EQ(query("#!/bin/sh\necho Firecracker v1.6.0\n"), Code::kUnsupported);
  EXPECT_EQ(query("#!/bin/sh\nexit 3\n"), Code::kIo);
}

}  // namespace
}  // namespace knaller::firecracker
