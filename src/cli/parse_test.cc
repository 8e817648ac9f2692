#include "cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knaller::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Invocation parsed(const std::vector<std::string>& arguments) {
  ParseResult result = parse(arguments);
  if (result.error) ADD_FAILURE() << result.error->what();
  return std::move(result.invocation);
}

Error refused(const std::vector<std::string>& arguments) {
  ParseResult result = parse(arguments);
  if (!result.error) {
    ADD_FAILURE() << "was accepted";
    return Error(Code::kInternal, "");
  }
  EXPECT_EQ(result.error->code(), Code::kInvalidArgument);
  EXPECT_FALSE(result.error->hint().empty());
  return *result.error;
}

TEST(Parse, TakesFlagsInEverySpelling) {
  for (const std::vector<std::string>& spelling :
       std::vector<std::vector<std::string>>{{"start", "--name", "web", "--mem", "512"},
                                             {"start", "--name=web", "--mem=512"},
                                             {"start", "-name", "web", "-mem", "512"},
                                             {"start", "-name=web", "-mem=512"},
                                             {"start", "--name", "web", "-m", "512"},
                                             {"start", "--name", "web", "-m512"},
                                             {"start", "--name", "web", "-m=512"},
                                             {"start", "--name", "web", "--memory", "512"}}) {
    const Invocation invocation = parsed(spelling);
    EXPECT_EQ(invocation.command->path, "start");
    EXPECT_EQ(invocation.text("name"), "web");
    EXPECT_EQ(invocation.written("mem"), "512");
  }
}

TEST(Parse, AWholeLongNameGoesBeforeBundledShortFlags) {
  // -a, -l, -l would be short flags; "-all" is the long one.
  const Invocation all = parsed({"stop", "-all"});
  EXPECT_TRUE(all.has("all"));
  const Invocation bundle = parsed({"stop", "-af", "-t5"});
  EXPECT_TRUE(bundle.has("all"));
  EXPECT_TRUE(bundle.has("force"));
  EXPECT_EQ(bundle.written("timeout"), "5");
  EXPECT_THAT(refused({"stop", "-afz"}).message(), HasSubstr("-afz"));
}

TEST(Parse, AForgottenPairOfDashesIsWhatIsSaid) {
  const Error docker = refused({"run", "--rm", "-it", "tiny", "uname", "-s", "--all"});
  EXPECT_THAT(docker.message(), HasSubstr("'uname' is one argument too many"));
  EXPECT_THAT(docker.hint(), HasSubstr("`knaller run tiny -- uname -s --all`"));
  EXPECT_THAT(docker.hint(), HasSubstr("`knaller run --image tiny -- uname -s --all`"));
  EXPECT_THAT(refused({"snapshot", "create", "web", "sync"}).hint(), HasSubstr("web -- sync"));
  EXPECT_TRUE(parsed({"run", "--rm", "--", "uname"}).has("rm"));
}

TEST(Parse, SwitchesTakeGoValues) {
  EXPECT_TRUE(parsed({"start", "--detach=true"}).has("detach"));
  EXPECT_FALSE(parsed({"start", "-detach=false"}).has("detach"));
  EXPECT_FALSE(parsed({"start", "--detach", "--detach=false"}).has("detach"));
  EXPECT_EQ(parsed({"start", "--detach=false"}).is_on("detach"), std::optional(false));
  EXPECT_EQ(parsed({"start", "--detach=false", "-d"}).is_on("detach"), std::optional(true));
  EXPECT_EQ(parsed({"start"}).is_on("detach"), std::nullopt);
  refused({"start", "--detach=perhaps"});
}

TEST(Parse, FlagsMayStandAnywhere) {
  const Invocation invocation = parsed({"--home", "/x", "rm", "a", "-f", "b", "--json"});
  EXPECT_EQ(invocation.command->path, "rm");
  EXPECT_EQ(invocation.text("home"), "/x");
  EXPECT_TRUE(invocation.has("force"));
  EXPECT_TRUE(invocation.has("json"));
  EXPECT_THAT(invocation.arguments, ElementsAre("a", "b"));
}

TEST(Parse, DashesEndTheFlags) {
  EXPECT_THAT(parsed({"rm", "--", "-f"}).arguments, ElementsAre("-f"));
  const Invocation run = parsed({"run", "web", "--", "ls", "--json", "-x"});
  EXPECT_THAT(run.arguments, ElementsAre("web"));
  EXPECT_THAT(run.tail, ElementsAre("ls", "--json", "-x"));
  EXPECT_FALSE(run.has("json"));
}

TEST(Parse, ExecLeavesItsCommandAlone) {
  for (const std::vector<std::string>& form :
       {std::vector<std::string>{"exec", "-t", "web", "--", "ls", "--json", "--", "-t"},
        std::vector<std::string>{"exec", "web", "-t", "--", "ls", "--json", "--", "-t"},
        std::vector<std::string>{"exec", "-t", "web", "ls", "--json", "--", "-t"}}) {
    const Invocation exec = parsed(form);
    EXPECT_TRUE(exec.has("tty"));
    EXPECT_FALSE(exec.has("json"));
    EXPECT_THAT(exec.arguments, ElementsAre("web"));
    EXPECT_THAT(exec.tail, ElementsAre("ls", "--json", "--", "-t"));
  }
}

TEST(Parse, FindsTwoWordCommandsAndAliases) {
  EXPECT_EQ(parsed({"snapshot", "create", "web"}).command->path, "snapshot create");
  EXPECT_EQ(parsed({"snapshot", "delete", "--id", "x"}).command->path, "snapshot rm");
  EXPECT_EQ(parsed({"list"}).command->path, "ls");
  EXPECT_EQ(parsed({"images"}).command->path, "image ls");
  EXPECT_EQ(parsed({"snapshot", "--name", "web"}).command->path, "snapshot");
  EXPECT_EQ(parsed({"snapshot", "-name", "web"}).text("name"), "web");
}

TEST(Parse, SuggestsTheNearest) {
  EXPECT_THAT(refused({"strat"}).hint(), HasSubstr("`knaller start`"));
  EXPECT_THAT(refused({"snapshot", "crate", "web"}).hint(), HasSubstr("`knaller snapshot create`"));
  EXPECT_THAT(refused({"start", "--detahc"}).hint(), HasSubstr("`--detach`"));
  EXPECT_THAT(refused({"start", "--imgae=x"}).hint(), HasSubstr("`--image`"));
  EXPECT_THAT(refused({"frobnicate"}).hint(), HasSubstr("knaller help"));
}

TEST(Parse, RefusesWrongCounts) {
  EXPECT_THAT(refused({"exec"}).message(), HasSubstr("NAME"));
  EXPECT_THAT(refused({"cp", "a"}).message(), HasSubstr("SOURCE"));
  EXPECT_THAT(refused({"cp", "a", "b", "c"}).message(), HasSubstr("'c'"));
  EXPECT_THAT(refused({"run", "web", "ls"}).hint(), HasSubstr("-- ls"));
  EXPECT_THAT(refused({"start", "--mem"}).message(), HasSubstr("needs a value"));
  EXPECT_THAT(refused({"image"}).message(), HasSubstr("second word"));
  refused({});
}

TEST(Parse, KnowsJsonEvenOfAWrongCommandLine) {
  EXPECT_TRUE(parse({"strat", "--json"}).invocation.has("json"));
  EXPECT_FALSE(parse({"strat", "--", "--json"}).invocation.has("json"));
}

TEST(Parse, NeverPrintsControlCharacters) {
  const Error error = refused({"\x1b[31mred\xff"});
  EXPECT_EQ(error.message().find('\x1b'), std::string::npos);
  EXPECT_EQ(error.message().find('\xff'), std::string::npos);
}

TEST(Parse, HelpIsThereForEveryCommand) {
  EXPECT_TRUE(parsed({"--help"}).help);
  EXPECT_TRUE(parsed({"exec", "--help"}).help);
  EXPECT_TRUE(parsed({"image", "-h"}).help);
  EXPECT_FALSE(parsed({"exec", "web", "--", "ls", "--help"}).help);
}

}  // namespace
}  // namespace knaller::cli
