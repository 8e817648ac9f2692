#include "cli/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "cli/config_keys.h"
#include "cli/spec.h"

namespace knaller::cli {
namespace {

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
              HasSubstr("c:2: 'image' is a text"));
  EXPECT_THAT(error_of([] { parse_config("cpus = [1]\n", "c"); }).message(),
              HasSubstr("c:1: 'cpus' is a number"));
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
  EXPECT_EQ(settings.mebibytes("mem"), 200u);
  EXPECT_EQ(settings.cpus(), 3u);
  EXPECT_EQ(settings.duration("wait_timeout"), std::nullopt);
}

TEST(Settings, ErrorsNameThePlace) {
  const Invocation invocation = parse({"start", "--mem", "0"}).invocation;
  const Settings settings(invocation, variables({{"KNALLER_CPUS", "many"}}),
                          parse_config("disk = \"big\"", "/c"));
  EXPECT_THAT(error_of([&] { settings.mebibytes("mem"); }).message(), HasSubstr("--mem: '0'"));
  EXPECT_THAT(error_of([&] { settings.cpus(); }).message(), HasSubstr("KNALLER_CPUS: 'many'"));
  EXPECT_THAT(error_of([&] { settings.mebibytes("disk"); }).message(), HasSubstr("/c:1: 'big'"));
}

TEST(Settings, SizesAndTimesHaveUnits) {
  const Invocation invocation =
      parse({"start", "--mem", "2G", "--disk", "512", "--wait-timeout", "500ms"}).invocation;
  const Settings settings(invocation, variables({}), {});
  EXPECT_EQ(settings.mebibytes("mem"), 2048u);
  EXPECT_EQ(settings.mebibytes("disk"), 512u);
  EXPECT_EQ(settings.duration("wait_timeout"), std::chrono::milliseconds(500));
}

TEST(Settings, FractionsOfACpuAreUnsupportedAndNonsenseIsInvalid) {
  const auto code = [](const std::string& text) {
    const Invocation invocation = parse({"start", "--cpus", text}).invocation;
    return error_of([&] { Settings(invocation, variables({}), {}).cpus(); }).code();
  };
  EXPECT_EQ(code("0.5"), Code::kUnsupported);
  EXPECT_EQ(code("1.25"), Code::kUnsupported);
  for (const char* text : {"0", "33", "-1", "one", "1.", "1.x", "1e3", "", "99999999999999999999"})
    EXPECT_EQ(code(text), Code::kInvalidArgument) << text;
  const Invocation whole = parse({"start", "--cpus", "2.0"}).invocation;
  EXPECT_EQ(Settings(whole, variables({}), {}).cpus(), 2u);
}

TEST(Settings, StopTimeoutIsTheTimeoutFlag) {
  const Invocation invocation = parse({"stop", "a", "-t", "3"}).invocation;
  EXPECT_EQ(Settings(invocation, variables({}), {}).duration("stop_timeout"), std::chrono::seconds(3));
}

TEST(Settings, AGivenFileMustExist) {
  const Invocation invocation = parse({"ls", "--config", "/nonexistent/c.toml"}).invocation;
  EXPECT_EQ(error_of([&] { Settings::load(invocation, variables({})); }).code(), Code::kNotFound);
  const Invocation plain = parse({"ls"}).invocation;
  EXPECT_EQ(Settings::load(plain, variables({{"HOME", "/nonexistent"}})).text("image"), "");
}

TEST(Settings, EveryKeyHasItsVariableInTheManual) {
  for (const ConfigKey& key : config_keys()) {
    std::string variable = "KNALLER_";
    for (const char c : key.name) variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const auto& rows = environment_rows();
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.name == variable; }))
        << variable;
  }
}

TEST(Settings, TildesAreExpanded) {
  const Invocation invocation = parse({"ls"}).invocation;
  const Settings settings(invocation, variables({{"HOME", "/home/a"}}),
                          parse_config("home = \"~/vms\"", "c"));
  EXPECT_EQ(settings.text("home"), "/home/a/vms");
}

}  // namespace
}  // namespace knaller::cli
