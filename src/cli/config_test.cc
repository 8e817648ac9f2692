#include "cli/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knaller::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

template <typename Body>
Error error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Code::kInternal, "");
}

Environment variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> const char* {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.c_str();
  };
}

TEST(Config, ReadsEveryKind) {
  const auto file =
      parse_config("image = \"debian\"\ncpus = 2\nmem = \"2G\"\nallow_network_home = true\n", "c.toml");
  EXPECT_EQ(file.at("image").text, "debian");
  EXPECT_EQ(file.at("cpus").text, "2");
  EXPECT_EQ(file.at("mem").text, "2G");
  EXPECT_EQ(file.at("mem").origin, "c.toml:3");
  EXPECT_EQ(file.at("allow_network_home").text, "true");
}

TEST(Config, RefusesUnknownKeysWithTheirLine) {
  const Error error = error_of([] { parse_config("cpus = 1\n\nimgae = \"x\"\n", "/c.toml"); });
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("/c.toml:3: unknown key 'imgae'"));
  EXPECT_THAT(error.hint(), HasSubstr("'image'"));
}

TEST(Config, RefusesWrongTypesAndSyntaxWithTheirLine) {
  EXPECT_THAT(error_of([] { parse_config("\nimage = 3\n", "c"); }).message(),
              HasSubstr("c:2: 'image' must be a string"));
  EXPECT_THAT(error_of([] { parse_config("cpus = [1]\n", "c"); }).message(),
              HasSubstr("c:1: 'cpus' must be a number or a string"));
  EXPECT_THAT(error_of([] { parse_config("allow_network_home = \"yes\"\n", "c"); }).message(),
              HasSubstr("true or"));
  EXPECT_THAT(error_of([] { parse_config("cpus = 1\nmem = = 2\n", "c"); }).message(), HasSubstr("c:2: "));
  EXPECT_THAT(error_of([] { parse_config("a = \"\xff\"\n", "c"); }).code(), Code::kInvalidArgument);
}

TEST(Settings, AFlagGoesBeforeAVariableBeforeTheFile) {
  const auto file = parse_config("image = \"file\"\nmem = 100\ncpus = 3\n", "c");
  const Environment environment = variables({{"KNALLER_IMAGE", "variable"}, {"KNALLER_MEM", "200"}});
  const Invocation invocation = parse({"start", "--image", "flag"}).invocation;
  const Settings settings(invocation, environment, file);
  EXPECT_EQ(settings.text("image"), "flag");
  EXPECT_EQ(settings.get<int64_t>("mem"), 200);
  EXPECT_EQ(settings.get<int64_t>("cpus"), 3000);
  EXPECT_EQ(settings.get<milliseconds>("wait_timeout"), std::nullopt);
}

TEST(Settings, ErrorsNameThePlace) {
  const Invocation invocation = parse({"start"}).invocation;
  const Settings settings(invocation, variables({{"KNALLER_CPUS", "many"}, {"KNALLER_MEM", "0"}}),
                          parse_config("disk = \"big\"", "/c"));
  EXPECT_THAT(error_of([&] { settings.get<int64_t>("mem"); }).message(), HasSubstr("KNALLER_MEM: '0'"));
  EXPECT_THAT(error_of([&] { settings.get<int64_t>("cpus"); }).message(), HasSubstr("KNALLER_CPUS: 'many'"));
  EXPECT_THAT(error_of([&] { settings.get<int64_t>("disk"); }).message(), HasSubstr("/c:1: 'big'"));
}

TEST(Settings, SizesAndTimesHaveUnits) {
  const Invocation invocation =
      parse({"start", "--mem", "2G", "--disk", "512", "--wait-timeout", "500ms"}).invocation;
  const Settings settings(invocation, variables({}), {});
  EXPECT_EQ(settings.get<int64_t>("mem"), 2048);
  EXPECT_EQ(settings.get<int64_t>("disk"), 512);
  EXPECT_EQ(settings.get<milliseconds>("wait_timeout"), milliseconds(500));
}

TEST(Settings, StopTimeoutIsTheTimeoutFlag) {
  const Invocation invocation = parse({"stop", "a", "-t", "3"}).invocation;
  EXPECT_EQ(Settings(invocation, variables({}), {}).get<milliseconds>("stop_timeout"),
            std::chrono::seconds(3));
}

TEST(Settings, AGivenFileMustExist) {
  const Invocation invocation = parse({"ls", "--config", "/nonexistent/c.toml"}).invocation;
  EXPECT_EQ(error_of([&] { Settings::load(invocation, variables({})); }).code(), Code::kNotFound);
  const Invocation plain = parse({"ls"}).invocation;
  EXPECT_EQ(Settings::load(plain, variables({{"HOME", "/nonexistent"}})).text("image"), "");
}

TEST(Settings, AFlagOfTheSameNameMayBeAnotherOne) {
  const Environment environment = variables({{"KNALLER_ENGINE", "qemu"}, {"KNALLER_DISK", "5"}});
  const Settings logs(parse({"logs", "--engine", "web"}).invocation, environment, {});
  EXPECT_EQ(logs.text("engine"), "qemu");
  EXPECT_EQ(logs.origin("engine"), "KNALLER_ENGINE");
  const Settings set(parse({"set", "--disk", "7", "web"}).invocation, environment, {});
  EXPECT_EQ(set.get<int64_t>("disk"), 5);
}

TEST(Settings, WhatIsNotReadMayBeWrong) {
  const Settings settings(parse({"ls"}).invocation, variables({{"KNALLER_MEM", "lots"}}), {});
  EXPECT_EQ(settings.text("image"), "");
  EXPECT_THROW(settings.get<int64_t>("mem"), Error);
}

TEST(Settings, TildesAreExpanded) {
  const Invocation invocation = parse({"ls"}).invocation;
  const Settings settings(invocation, variables({{"HOME", "/home/a"}}),
                          parse_config("home = \"~/vms\"", "c"));
  EXPECT_EQ(settings.text("home"), "/home/a/vms");
}

}  // namespace
}  // namespace knaller::cli
