#include "firecracker/body.h"

#include <gtest/gtest.h>

namespace knaller::firecracker {
namespace {

const Schema kInner{"Inner", {{"size", Kind::kU64, true}}};
const Schema kSchema{"Thing",
                     {{"name", Kind::kString, true},
                      {"count", Kind::kU8},
                      {"flag", Kind::kBool},
                      {"mode", Kind::kEnum, false, {"A", "B", "C"}},
                      {"mac", Kind::kMac},
                      {"inner", Kind::kObject, false, {}, &kInner},
                      {"list", Kind::kArray, false, {}, &kInner}}};

std::string refusal(std::string_view body, const Schema& schema = kSchema) {
  try {
    parse_body(body, schema);
  } catch (const Error& error) {
    constexpr std::string_view kStart = "An error occurred when deserializing the json body of a request: ";
    const std::string_view message = error.message();
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_TRUE(message.starts_with(kStart)) << message;
    EXPECT_TRUE(message.ends_with('.')) << message;
    return std::string(message.substr(kStart.size(), message.size() - kStart.size() - 1));
  }
  return "accepted";
}

TEST(Body, IsTakenWithItsMembers) {
  const Json json = parse_body(
      R"({"name":"x","count":255,"flag":null,"mode":"B","inner":{"size":18446744073709551615},"list":[{"size":1}]})",
      kSchema);
  EXPECT_EQ(json["name"], "x");
  EXPECT_EQ(json["count"], 255);
  EXPECT_FALSE(json.contains("flag"));
  EXPECT_EQ(json["inner"]["size"], 18446744073709551615U);
}

TEST(Body, TheFirstWrongMemberIsNamed) {
  EXPECT_EQ(refusal("{}"), "missing field `name`");
  EXPECT_EQ(refusal(R"({"count":"2","zz":1})"), "invalid type: string \"2\", expected u8");
  EXPECT_EQ(refusal(R"({"zz":1,"count":"2"})"),
            "unknown field `zz`, expected one of `name`, `count`, `flag`, `mode`, `mac`, `inner`, `list`");
  EXPECT_EQ(refusal(R"({"size":1,"x":2})", kInner), "unknown field `x`, expected `size`");
  EXPECT_EQ(refusal(R"({"name":"x","name":"y"})"), "duplicate field `name`");
  EXPECT_EQ(refusal(R"({"name":"x","inner":{"size":1,"size":2}})"), "duplicate field `size`");
}

TEST(Body, TypesAndRangesAreChecked) {
  EXPECT_EQ(refusal(R"({"name":3})"), "invalid type: integer `3`, expected a string");
  EXPECT_EQ(refusal(R"({"name":null})"), "invalid type: null, expected a string");
  EXPECT_EQ(refusal(R"({"count":256})"), "invalid value: integer `256`, expected u8");
  EXPECT_EQ(refusal(R"({"count":-1})"), "invalid value: integer `-1`, expected u8");
  EXPECT_EQ(refusal(R"({"count":1.5})"), "invalid type: floating point `1.5`, expected u8");
  EXPECT_EQ(refusal(R"({"flag":1})"), "invalid type: integer `1`, expected a boolean");
  EXPECT_EQ(refusal(R"({"mode":"D"})"), "unknown variant `D`, expected one of `A`, `B`, `C`");
  EXPECT_EQ(refusal(R"({"mode":1})"), "expected value");
  EXPECT_EQ(refusal(R"({"mac":"xx"})"), "The provided MAC address is invalid");
  EXPECT_EQ(refusal(R"({"inner":[]})"), "invalid length 0, expected struct Inner with 1 element");
  EXPECT_EQ(refusal(R"({"inner":true})"), "invalid type: boolean `true`, expected struct Inner");
  EXPECT_EQ(refusal(R"({"list":{}})"), "invalid type: map, expected a sequence");
  EXPECT_EQ(refusal(R"({"list":[{}]})"), "missing field `size`");
}

TEST(Body, WhatIsNoObjectIsRefused) {
  EXPECT_EQ(refusal("null"), "invalid type: null, expected struct Thing");
  EXPECT_EQ(refusal("3"), "invalid type: integer `3`, expected struct Thing");
  EXPECT_EQ(refusal("[]"), "invalid length 0, expected struct Thing with 7 elements");
}

TEST(Body, TextThatEndsEarlySaysWhere) {
  EXPECT_EQ(refusal("{"), "EOF while parsing an object");
  EXPECT_EQ(refusal(R"({"a":)"), "EOF while parsing a value");
  EXPECT_EQ(refusal("[1"), "EOF while parsing a list");
  EXPECT_EQ(refusal("\"a"), "EOF while parsing a string");
}

TEST(Body, AnythingElseIsRefusedToo) {
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  for (const std::string& body :
       {std::string("hello"), std::string("\xff\xfe"), std::string("{\"name\":\"\xff\"}"), deep,
        std::string("{\"name\":") + deep + "}", std::string("{\"count\":1e999}"), std::string("{} x"),
        std::string(1, '\0'), std::string("{\"name\":\"\\ud800\"}")})
    EXPECT_NE(refusal(body), "accepted") << body.substr(0, 30);
}

}  // namespace
}  // namespace knaller::firecracker
