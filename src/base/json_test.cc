#include "base/json.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace knaller {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_json(text, "vm.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(JsonTest, ErrorsNameTheDocumentAndThePlace) {
  const std::string error = error_of("{\"a\":1,\n \"b\":}");
  EXPECT_EQ(error.find("vm.json is not valid JSON: parse error at line 2, column 6"), 0u) << error;
  EXPECT_EQ(code_thrown_by([] { parse_json("", "x", Code::kInvalidArgument); }), Code::kInvalidArgument);
}

TEST(JsonTest, RefusesWhatIsNotOneDocument) {
  for (const char* text :
       {"", " ", "{", "{} {}", "[1,]", "{'a':1}", "nul", "\"\\ud800\"", "\"\xff\"", "1e999", "NaN"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  EXPECT_EQ(parse_json(" [1, \"\xc3\xa4\"] ", "x")[1], "\xc3\xa4");
}

TEST(JsonTest, ErrorsAreSafeToShow) {
  const std::string error = error_of("\"\x1b[2J\xff");
  for (const char c : error) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << error;
}

TEST(JsonTest, DepthIsLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(64)), "");
  EXPECT_NE(error_of(nested(65)), "");
  EXPECT_NE(error_of(std::string(5'000'000, '[')), "");
  EXPECT_EQ(error_of("[\"" + std::string(65, '[') + "\\\"" + std::string(65, '{') + "\"]"), "");
  EXPECT_NE(error_of("[\"\\\\\"," + nested(64) + "]"), "");
  EXPECT_NE(error_of("]]" + std::string(5'000'000, '[')), "");
}

TEST(JsonReaderTest, ReadsMembersOfTheirType) {
  const Json json = parse_json(R"({"s":"x","n":7,"b":true,"o":{"k":1},"a":[1],"z":null})", "x");
  const JsonReader reader(json, "x");
  EXPECT_EQ(reader.string("s"), "x");
  EXPECT_EQ(reader.integer("n", 0, 7), 7);
  EXPECT_TRUE(reader.boolean_or("b", false));
  EXPECT_EQ(reader.object("o")["k"], 1);
  EXPECT_EQ(reader.array("a").size(), 1u);
  EXPECT_FALSE(reader.has("z"));
  EXPECT_EQ(reader.string_or("z", "fallback"), "fallback");
  EXPECT_EQ(reader.integer_or("absent", -1, 0, 7), -1);
  EXPECT_EQ(reader.find("absent"), nullptr);
}

TEST(JsonReaderTest, RefusesOtherTypesAndRanges) {
  const Json json =
      parse_json(R"({"s":1,"n":"7","f":1.5,"big":18446744073709551615,"neg":-1,"b":0,"o":[],"a":{}})", "x");
  const JsonReader reader(json, "vm.json", Code::kInvalidArgument);
  const auto refused = [](auto body) { return code_thrown_by(body) == Code::kInvalidArgument; };
  EXPECT_TRUE(refused([&] { reader.string("s"); }));
  EXPECT_TRUE(refused([&] { reader.string_or("s", ""); }));
  EXPECT_TRUE(refused([&] { reader.integer("n", 0, 10); }));
  EXPECT_TRUE(refused([&] { reader.integer("f", 0, 10); }));
  EXPECT_TRUE(refused([&] { reader.integer("big", INT64_MIN, INT64_MAX); }));
  EXPECT_TRUE(refused([&] { reader.integer("neg", 0, 10); }));
  EXPECT_TRUE(refused([&] { reader.boolean_or("b", true); }));
  EXPECT_TRUE(refused([&] { reader.object("o"); }));
  EXPECT_TRUE(refused([&] { reader.array("a"); }));
  EXPECT_TRUE(refused([&] { reader.string("absent"); }));
  const Json array = Json::array();
  EXPECT_EQ(code_thrown_by([&] { JsonReader(array, "x"); }), Code::kCorrupt);
}

TEST(JsonReaderTest, SaysWhatIsWrong) {
  const Json json = parse_json(R"({"vcpus":"2"})", "x");
  try {
    JsonReader(json, "vm.json").integer("vcpus", 1, 32);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "vm.json: 'vcpus' must be a whole number");
  }
}

TEST(JsonTest, DumpReplacesInvalidUtf8) {
  EXPECT_EQ(dump_json(Json{{"a", "x\xff"}}), "{\"a\":\"x\xef\xbf\xbd\"}");
}

TEST(JsonTest, ErrorsSurviveTheWayThroughJson) {
  Error error(Code::kEngineRefused, "bad \xff disk", "check it");
  error.in("inner").in("outer");
  const Error back = error_from_json(parse_json(dump_json(error_to_json(error)), "an error"));
  EXPECT_EQ(back.code(), Code::kEngineRefused);
  EXPECT_EQ(back.hint(), "check it");
  EXPECT_EQ(back.contexts(), error.contexts());
  EXPECT_STREQ(back.what(), "outer: inner: bad \xef\xbf\xbd disk");
  EXPECT_EQ(code_thrown_by([] { error_from_json(Json(5)); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by(
                [] { error_from_json(parse_json(R"({"code":"io","message":"m","context":[1]})", "x")); }),
            Code::kCorrupt);
}

}  // namespace
}  // namespace knaller
