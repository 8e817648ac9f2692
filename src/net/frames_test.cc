#include "net/frames.h"

#include <gtest/gtest.h>

#include <string_view>

namespace knaller::net {
namespace {

TEST(Frames, AreThoseThatTheKernelHasSentThroughTheDevice) {
  const std::string_view devices = R"(Inter-|   Receive        |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:    0       1    2    3    4     5          6         7     8       9   10   11   12    13      14         15
  tap0:7553645413 16    0    0    0     0          0         0 75536     421    0    0    0     0       0          0
)";
  EXPECT_EQ(frames_taken(devices, "tap0"), 421U);
  EXPECT_EQ(frames_taken(devices, "lo"), 9U);
}

TEST(Frames, ComeWithTheBytesThatTheyHold) {
  const auto counters = device_counters("  tap0:7553645413 16 0 0 0 0 0 0 75536 421 0 0 0 0 0 0\n", "tap0");
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->received_bytes, 7553645413U);
  EXPECT_EQ(counters->received_packets, 16U);
  EXPECT_EQ(counters->sent_bytes, 75536U);
  EXPECT_EQ(counters->sent_packets, 421U);
}

// Not 0, which would be equal to itself however many frames came.
TEST(Frames, AreUnknownWhereTheKernelDoesNotCountThem) {
  EXPECT_EQ(frames_taken("tap0: 0 0 0 0 0 0 0 0 0 3 0 0 0 0 0 0\n", "tap"), std::nullopt);
  EXPECT_EQ(frames_taken("", "tap0"), std::nullopt);
  EXPECT_EQ(frames_taken("tap0: 1 2 3\n", "tap0"), std::nullopt);
  EXPECT_EQ(frames_taken("tap0: 0 0 0 0 0 0 0 0 0 -3 0 0 0 0 0 0\n", "tap0"), std::nullopt);
  EXPECT_EQ(frames_taken("tap0: 0 0 0 0 0 0 0 0 0 99999999999999999999 0 0 0 0 0 0\n", "tap0"), std::nullopt);
}

}  // namespace
}  // namespace knaller::net
