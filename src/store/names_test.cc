#include "store/names.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace knaller::store {
namespace {

Code code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return Code::kInternal;
}

TEST(Name, AcceptsWhatMayBecomeAFileName) {
  for (const char* text : {"a", "0", "web", "web-2", "a.b_c-d", "x.."})
    EXPECT_EQ(Name::parse(text).str(), text);
  EXPECT_TRUE(Name::is_valid(std::string(63, 'a')));
}

TEST(Name, RefusesEverythingElse) {
  for (const std::string& text :
       {std::string(),          std::string("."),       std::string(".."),       std::string("../x"),
        std::string("a/b"),     std::string("A"),       std::string("a b"),      std::string("a\nb"),
        std::string("-a"),      std::string("--force"), std::string("'a'"),      std::string("\"a\""),
        std::string(64, 'a'),   std::string(300, 'a'),  std::string("\xff\xfe"), std::string("\0", 1),
        std::string("a\0b", 3), std::string("ä"),       std::string("_a"),       std::string(".new-a")}) {
    EXPECT_FALSE(Name::is_valid(text)) << text;
    EXPECT_EQ(code_of([&] { Name::parse(text); }), Code::kInvalidArgument) << text;
  }
}

TEST(Name, ErrorShowsBadBytesSafely) {
  try {
    Name::parse("\x1b[31m\xff");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find('\x1b'), std::string::npos);
    EXPECT_EQ(error.message().find('\xff'), std::string::npos);
  }
}

TEST(SnapshotId, IsThePrefixAndEightHexDigits) {
  EXPECT_EQ(SnapshotId::parse("snap_3d927f9e").str(), "snap_3d927f9e");
  for (const char* text :
       {"", "snap_", "snap_3d927f9", "snap_3d927f9e0", "snap_3D927F9E", "snap_../../..", "3d927f9e"})
    EXPECT_EQ(code_of([&] { SnapshotId::parse(text); }), Code::kInvalidArgument) << text;
}

TEST(SnapshotId, RandomOnesAreValidAndDiffer) {
  const SnapshotId a = SnapshotId::make_random();
  EXPECT_TRUE(SnapshotId::is_valid(a.str()));
  EXPECT_NE(a, SnapshotId::make_random());
}

TEST(MakeUpName, GivesValidNames) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Name::is_valid(make_up_name().str()));
}

}  // namespace
}  // namespace knaller::store
