#include "channel/frame.h"

#include <gtest/gtest.h>

#include "channel/fields.h"

namespace knaller::channel {
namespace {

std::string bytes_of(const Frame& frame) {
  std::string bytes;
  append(bytes, frame);
  return bytes;
}

// Written down: a later knaller speaks to the agent of every earlier snapshot.
TEST(Frame, HasTheseBytes) {
  EXPECT_EQ(bytes_of({.kind = Kind::kData,
                      .channel = Channel::kError,
                      .more = false,
                      .stream = 0x0102,
                      .payload = "hi"}),
            std::string("\x02\x00\x00\x03\x02\x00\x02\x01hi", 10));
  EXPECT_EQ(
      bytes_of({.kind = Kind::kOpen, .channel = Channel::kWhole, .more = true, .stream = 1, .payload = ""}),
      std::string("\x00\x00\x00\x02\x83\x00\x01\x00", 8));
}

TEST(Frame, ComesOutAsItWentInHoweverItIsCut) {
  const std::string large(kMostPayload, 'x');
  std::string bytes = bytes_of({.kind = Kind::kOpen, .more = true, .stream = 65535, .payload = large});
  append(bytes, {.kind = Kind::kEnd, .channel = Channel::kOutput, .stream = 7, .payload = {}});
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, bytes.size()}) {
    FrameReader reader;
    std::vector<std::pair<Kind, std::string>> seen;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      reader.feed(std::string_view(bytes).substr(at, piece));
      while (const auto frame = reader.next()) seen.emplace_back(frame->kind, frame->payload);
    }
    ASSERT_EQ(seen.size(), 2U) << piece;
    EXPECT_EQ(seen[0].second, large);
    EXPECT_EQ(seen[1].first, Kind::kEnd);
    EXPECT_FALSE(reader.is_inside());
  }
}

TEST(Frame, KnowsThatItIsCutShort) {
  FrameReader reader;
  const std::string bytes = bytes_of({.kind = Kind::kData, .payload = "abc"});
  reader.feed(std::string_view(bytes).substr(0, bytes.size() - 1));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.is_inside());
  EXPECT_FALSE(reader.broken());
}

TEST(Frame, IsRefusedWhenItIsNoFrame) {
  const std::string_view wrong[] = {
      {"\x01\x00\x01\x03\x00\x00\x00\x00", 8},  // 65537 bytes
      {"\x00\x00\x00\x00\x00\x00\x00\x00", 8},  // no kind
      {"\x00\x00\x00\x08\x00\x00\x00\x00", 8},  // a kind that there is not
      {"\x00\x00\x00\x03\x04\x00\x00\x00", 8},  // a bit that means nothing
      {"\x00\x00\x00\x03\x00\x01\x00\x00", 8}, {"HTTP/1.1 400 Bad Request", 24},
  };
  for (const std::string_view bytes : wrong) {
    FrameReader reader;
    reader.feed(bytes);
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.broken());
  }
}

TEST(Fields, ComeOutAsTheyWentIn) {
  FieldWriter writer;
  writer.add(1, "exec");
  writer.add(2, "");
  writer.add_number(0xffff, UINT64_MAX);
  FieldReader reader(writer.text());
  const auto first = reader.next(), second = reader.next(), third = reader.next();
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->bytes, "exec");
  EXPECT_EQ(second->tag, 2);
  EXPECT_EQ(third->number(), UINT64_MAX);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.is_whole());
}

TEST(Fields, AreNotReadBeyondTheirEnd) {
  FieldWriter writer;
  writer.add(1, "exec");
  for (size_t size = 1; size < writer.text().size(); ++size) {
    FieldReader reader(std::string_view(writer.text()).substr(0, size));
    EXPECT_FALSE(reader.next()) << size;
    EXPECT_FALSE(reader.is_whole()) << size;
  }
  EXPECT_FALSE((Field{1, "123456789"}.number()));
}

}  // namespace
}  // namespace knaller::channel
