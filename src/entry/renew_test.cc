#include "entry/renew.h"

#include <gtest/gtest.h>

namespace knaller::entry {
namespace {

TEST(Renewal, TrustsNoAnswer) {
  EXPECT_TRUE(parse_renewal(R"({"v":1,"ok":true})").ok);
  for (const char* line :
       {"", "x", "[]", "1", "{}", R"({"ok":"true"})", R"({"ok":1})", R"({"ok":false,"error":7})",
        R"({"ok":false,"failed":"x"})", R"({"ok":false,"failed":[1,{}]})"}) {
    const auto renewal = parse_renewal(line);
    EXPECT_FALSE(renewal.ok) << line;
    EXPECT_FALSE(renewal.reason.empty()) << line;
    EXPECT_TRUE(renewal.failed.empty()) << line;
  }
}

TEST(Renewal, NamesWhatACloneKeeps) {
  EXPECT_EQ(kept_parts({"time"}), "clock");
  EXPECT_EQ(kept_parts({"hostname", "time"}), "clock and hostname");
  EXPECT_EQ(kept_parts({"hostname", "time", "entropy"}), "randomness, clock and hostname");
  EXPECT_EQ(kept_parts({}), "randomness, clock and hostname");
  EXPECT_EQ(kept_parts({"\x1b[2J"}), "randomness, clock and hostname");
}

}  // namespace
}  // namespace knaller::entry
