#include "base/text.h"

#include <gtest/gtest.h>

#include <set>

namespace knaller {
namespace {

using namespace std::chrono_literals;

TEST(TextTest, ParsesIntegersStrictly) {
  EXPECT_EQ(parse_integer("0", 0, 10), 0);
  EXPECT_EQ(parse_integer("9223372036854775807", 0, INT64_MAX), INT64_MAX);
  for (const char* text :
       {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "11", "9223372036854775808", "99999999999999999999"}) {
    EXPECT_EQ(parse_integer(text, 0, 10), std::nullopt) << text;
  }
}

TEST(TextTest, ParsesSizes) {
  constexpr uint64_t kMiB = 1 << 20;
  EXPECT_EQ(parse_size("512", kMiB), 512 * kMiB);
  EXPECT_EQ(parse_size("512B", kMiB), 512u);
  EXPECT_EQ(parse_size("512M", 1), 512 * kMiB);
  EXPECT_EQ(parse_size("2g", 1), 2048 * kMiB);
  EXPECT_EQ(parse_size("1.5GiB", 1), 1536 * kMiB);
  EXPECT_EQ(parse_size("4KB", 1), 4096u);
  EXPECT_EQ(parse_size("16777215.999T", 1),
            std::optional<uint64_t>(18446742974197923840ull + 1098412116148ull));
  for (const char* text :
       {"", "M", "-1M", "1..5G", "1.G", ".5G", "1MM", "1 M", "1E", "16777216T", "1.0000000001G"}) {
    EXPECT_EQ(parse_size(text, 1), std::nullopt) << text;
  }
}

TEST(TextTest, ParsesDurations) {
  EXPECT_EQ(parse_duration("30"), 30s);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("0.5"), 500ms);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("7d"), 168h);
  EXPECT_EQ(parse_duration("2w"), 336h);
  for (const char* text : {"", "s", "-1s", "1y", "1 s", "99999999h", "18446744073709551615"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(TextTest, FormatsForPeople) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(1503238553), "1.4 GiB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(format_duration(800us), "0.8 ms");
  EXPECT_EQ(format_duration(12'345us), "12 ms");
  EXPECT_EQ(format_duration(999'600us), "1.0 s");
  EXPECT_EQ(format_duration(2'100ms), "2.1 s");
  EXPECT_EQ(format_duration(3min), "3 min");
  EXPECT_EQ(format_duration(5h), "5 h");
  EXPECT_EQ(format_duration(72h), "3 d");
}

TEST(TextTest, TimesSurviveTheWayThroughText) {
  const auto time = parse_time("2026-11-23T09:26:15.201145921Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(time->time_since_epoch(), 1795425975201145921ns);
  EXPECT_EQ(format_time(*time), "2026-11-23T09:26:15.201145921Z");
  EXPECT_EQ(format_time(*parse_time("2026-11-23T11:26:15.5+02:00")), "2026-11-23T09:26:15.500000000Z");
  EXPECT_EQ(format_time(*parse_time("1969-12-31T23:59:59Z")), "1969-12-31T23:59:59.000000000Z");
}

TEST(TextTest, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2026-11-23", "2026-11-23T09:26:15", "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T09:26:15.Z",
                           "2026-11-23T09:26:15.1234567890Z", "2026-11-23T09:26:15Zx", "0001-01-01T00:00:00Z",
                           "2026-11-23T09:26:15+2:00", "-026-11-23T09:26:15Z"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(TextTest, SplitsAndTrims) {
  EXPECT_EQ(split("a::b", ':'), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ':'), (std::vector<std::string_view>{""}));
  EXPECT_EQ(trim(" \t a b\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(TextTest, KnowsUtf8) {
  for (const char* text : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8e\x89", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xc3z"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << text;
  }
}

TEST(TextTest, PrintableLeavesNoControlCharacters) {
  EXPECT_EQ(printable("na\xc3\xafve"), "na\xc3\xafve");
  EXPECT_EQ(printable("\x1b[2J\n\x7f"), "\\x1b[2J\\x0a\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b"
            "2J");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("a\u202e\u2067z"), "a\\xe2\\x80\\xae\\xe2\\x81\\xa7z");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(TextTest, FindsTheNearestWord) {
  const std::vector<std::string> words{"start", "stop", "status"};
  EXPECT_EQ(nearest("strat", words), "start");
  EXPECT_EQ(nearest("stpo", words), "stop");
  EXPECT_EQ(nearest("stop", words), "stop");
  EXPECT_EQ(nearest("snapshot", words), "");
  EXPECT_EQ(nearest("x", {"ab"}), "");
  EXPECT_EQ(nearest("", words), "");
}

TEST(TextTest, EncodesBytes) {
  EXPECT_EQ(hex(std::string_view("\x00\xff\x0a", 3)), "00ff0a");
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(TextTest, UuidsAreRandomAndWellFormed) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = make_uuid();
    ASSERT_EQ(uuid.size(), 36u);
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
    EXPECT_EQ(split(uuid, '-').size(), 5u);
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(random_bytes(1000).size(), 1000u);
}

}  // namespace
}  // namespace knaller
