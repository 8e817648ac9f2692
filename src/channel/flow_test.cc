#include "channel/flow.h"

#include <gtest/gtest.h>

#include <random>

namespace knaller::channel {
namespace {

std::string pattern(size_t size, size_t from = 0) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((from + i) * 7 + (from + i) / 251);
  return bytes;
}

TEST(Flow, SendsNoMoreThanAWindowUnasked) {
  Sender sender;
  EXPECT_EQ(sender.room(), kWindow);
  sender.put(pattern(kWindow));
  EXPECT_EQ(sender.room(), 0U);
  EXPECT_EQ(sender.sendable(kWindow * 2).size(), kWindow);
  sender.sent(kWindow);
  EXPECT_TRUE(sender.sendable(1).empty());
}

TEST(Flow, MakesRoomForWhatWasUsedUp) {
  Sender sender;
  Receiver receiver;
  sender.put(pattern(kWindow));
  sender.sent(kWindow);
  ASSERT_TRUE(receiver.received(kWindow));
  EXPECT_FALSE(receiver.is_due()) << "nothing was used up";
  receiver.used(kWindow / 4 - 1);
  EXPECT_FALSE(receiver.is_due()) << "not for each byte";
  receiver.used(1);
  ASSERT_TRUE(receiver.is_due());
  ASSERT_TRUE(sender.allow(receiver.limit()));
  receiver.told();
  EXPECT_FALSE(receiver.is_due());
  EXPECT_EQ(sender.room(), kWindow / 4);
  sender.put(pattern(5));
  EXPECT_EQ(sender.sendable(100), pattern(5));
}

TEST(Flow, EndsWhenAllWasSentAndIsDoneWhenAllWasUsed) {
  Sender sender;
  sender.put("last");
  sender.finish();
  EXPECT_FALSE(sender.is_at_end());
  sender.sent(4);
  EXPECT_TRUE(sender.is_at_end());
  EXPECT_FALSE(sender.is_done()) << "it may have to be sent again";
  ASSERT_TRUE(sender.allow(kWindow + 4));
  EXPECT_TRUE(sender.is_done());
}

TEST(Flow, GoesOnOverAnotherConnection) {
  Sender sender;
  sender.put("one two three");
  sender.sent(13);
  ASSERT_TRUE(sender.resume(4));
  EXPECT_EQ(sender.sendable(100), "two three");
}

TEST(Flow, BelievesNoNonsense) {
  Sender sender;
  sender.put("abc");
  sender.sent(2);
  EXPECT_FALSE(sender.allow(kWindow + 3)) << "used more than was sent";
  EXPECT_FALSE(sender.allow(kWindow - 1)) << "takes back";
  EXPECT_FALSE(sender.allow(UINT64_MAX));
  EXPECT_FALSE(sender.resume(3)) << "has more than was sent";
  ASSERT_TRUE(sender.allow(kWindow + 1));
  EXPECT_FALSE(sender.resume(0)) << "lacks what it has used";
  Receiver receiver;
  EXPECT_TRUE(receiver.received(kWindow));
  EXPECT_FALSE(receiver.received(1)) << "more than was allowed";
}

// Whatever is sent, used, told and broken off in whatever order: every byte arrives once, in its place.
TEST(Flow, LosesNothingWhateverHappens) {
  std::mt19937 random(7);
  const auto some = [&random](size_t most) { return most == 0 ? 0 : random() % (most + 1); };
  Sender sender;
  Receiver receiver;
  std::string arrived;
  size_t put = 0, used = 0;
  constexpr size_t kAll = 8 << 20;
  while (used < kAll) {
    switch (random() % 6) {
      case 0: {
        const size_t size = some(std::min(sender.room(), kAll - put));
        sender.put(pattern(size, put));
        put += size;
        break;
      }
      case 1:
      case 2: {
        const std::string bytes(sender.sendable(some(64 << 10)));
        sender.sent(bytes.size());
        ASSERT_TRUE(receiver.received(bytes.size()));
        arrived += bytes;
        break;
      }
      case 3: {
        const size_t size = some(arrived.size() - used);
        receiver.used(size);
        used += size;
        break;
      }
      case 4:
        if (!receiver.is_due()) break;
        ASSERT_TRUE(sender.allow(receiver.limit()));
        receiver.told();
        break;
      default:
        // The connection breaks, and what it was told is told again.
        ASSERT_TRUE(sender.allow(receiver.limit()));
        receiver.told();
        sender.sent(sender.sendable(some(64 << 10)).size());  // this is lost
        ASSERT_TRUE(sender.resume(receiver.position()));
    }
  }
  EXPECT_TRUE(arrived == pattern(kAll));
}

}  // namespace
}  // namespace knaller::channel
