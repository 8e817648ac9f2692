// The table: that it is whole, that handlers read what it has and nothing else, and what is made from it.
#include "cli/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "base/text.h"
#include "cli/completion.h"
#include "cli/config.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/parse.h"

namespace knaller::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string_view> words_of(std::string_view text) {
  return text.empty() ? std::vector<std::string_view>{} : split(text, ' ');
}

TEST(Spec, EveryCommandHasOneHandler) {
  for (const Command* command : commands())
    EXPECT_NE(command->run == nullptr, command->plain == nullptr) << command->path;
}

TEST(Spec, NamesAndAliasesAreUnique) {
  std::set<std::string_view> seen;
  for (const Command* command : commands()) {
    EXPECT_TRUE(seen.insert(command->path).second) << command->path;
    for (const auto alias : command->aliases) EXPECT_TRUE(seen.insert(alias).second) << alias;
  }
}

TEST(Spec, FlagsOfACommandAreUnambiguous) {
  for (const Command* command : commands()) {
    std::set<std::string> seen;
    for (const auto* flags : {&command->flags, &global_flags()})
      for (const Flag& flag : *flags) {
        EXPECT_TRUE(seen.insert(std::string(flag.name)).second) << command->path << " --" << flag.name;
        if (flag.letter != 0) {
          EXPECT_TRUE(seen.insert(std::string(1, flag.letter)).second)
              << command->path << " -" << flag.letter;
        }
      }
  }
}

TEST(Spec, RowsOfFlagsMakeSense) {
  for (const Command* command : commands())
    for (const Flag& flag : command->flags) {
      const std::string where = std::string(command->path) + " --" + std::string(flag.name);
      for (const auto names : {flag.canonical, flag.only_with, flag.not_with})
        for (const auto name : words_of(names)) EXPECT_NE(find_flag(command, name), nullptr) << where;
      const bool words = flag.names == Names::kWords || flag.names == Names::kWordsOrFile;
      EXPECT_EQ(words, !flag.words.empty()) << where;
      EXPECT_EQ(words, flag.convert == as_word || flag.convert == as_engine) << where;
      if (flag.convert == as_count || flag.convert == as_milli_cpus) {
        EXPECT_LT(flag.least, flag.most) << where;
      }
      if (flag.value.empty()) {
        EXPECT_EQ(flag.convert, as_text) << where << ": a switch has no value";
      }
    }
}

TEST(Spec, EverySettingHasTheSameMeaningInEveryCommand) {
  for (const Command* command : commands())
    for (const Flag& flag : command->flags)
      for (const Flag* row : settings_rows())
        if (row->setting == flag.setting) {
          EXPECT_EQ(row->convert, flag.convert) << command->path << " --" << flag.name;
          EXPECT_EQ(row->words, flag.words) << command->path << " --" << flag.name;
        }
}

TEST(Spec, EverySettingIsInTheManual) {
  for (const Flag* row : settings_rows()) {
    const auto& rows = environment_rows();
    const std::string variable = variable_of(row->setting);
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const auto& one) { return one.name == variable; }))
        << variable;
  }
}

TEST(Spec, GroupsAreFamiliesWithAWord) {
  for (const char* word : {"snapshot", "snapshots", "image", "images", "store"})
    EXPECT_NE(find_group(word), nullptr) << word;
  for (const char* word : {"", "start", "rollback", "stores"}) EXPECT_EQ(find_group(word), nullptr) << word;
  for (const Command* command : commands()) {
    const size_t space = command->path.find(' ');
    if (space == std::string_view::npos) continue;
    const Family* group = find_group(command->path.substr(0, space));
    ASSERT_NE(group, nullptr) << command->path;
    const auto& family = group->commands;
    EXPECT_TRUE(std::any_of(family.begin(), family.end(), [&](const auto& one) { return &one == command; }))
        << command->path;
  }
}

// What the handlers' sources read by name: `.has("force")`, `.get<int64_t>("level")`,
// `settings.text("image")`.
std::set<std::string> names_read() {
  const std::regex reading(
      R"rx((?:has|is_on|text|knows|enabled|origin|written|get<[^>]*>|all<[^>]*>)\("([a-z_-]+)"\))rx");
  const std::regex passed(R"rx(_file\(args, "([a-z-]+)"\))rx");
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(KNALLER_CLI_SOURCES)) {
    const std::string file = entry.path().filename();
    if (!file.ends_with(".cc") || file.ends_with("_test.cc") || file.starts_with("spec")) continue;
    std::ifstream stream(entry.path());
    std::string text((std::istreambuf_iterator<char>(stream)), {});
    for (const auto& pattern : {reading, passed})
      for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
        names.insert((*at)[1]);
  }
  return names;
}

TEST(Spec, HandlersReadWhatTheTableHasAndNothingElse) {
  std::set<std::string> left = names_read();
  ASSERT_FALSE(left.empty());
  const std::set<std::string> read = left;
  std::set<std::string> unread;
  const auto take = [&](const Flag& flag) {
    left.erase(std::string(flag.name));
    left.erase(std::string(flag.setting));
    // --help and --version are the parser's, and a few switches say what is done anyway.
    static const std::set<std::string_view> nobodys{"help", "version", "interactive"};
    if (!flag.canonical.empty() || nobodys.count(flag.name) != 0) return;
    if (read.count(std::string(flag.name)) == 0 && read.count(std::string(flag.setting)) == 0)
      unread.insert(std::string(flag.name));
  };
  for (const Flag& flag : global_flags()) take(flag);
  for (const Flag* row : settings_rows()) take(*row);
  for (const Command* command : commands())
    for (const Flag& flag : command->flags) take(flag);
  EXPECT_THAT(left, IsEmpty()) << "read, but no command has it";
  EXPECT_THAT(unread, IsEmpty()) << "in the table, but nobody reads it";
}

TEST(Spec, ReadingAFlagThatACommandLacksIsAMistakeOfTheProgram) {
  const Invocation ls = parse({"ls"}).invocation;
  EXPECT_FALSE(ls.has("all"));
  EXPECT_FALSE(ls.knows("detach"));
  EXPECT_THROW(ls.has("detach"), Error);
  EXPECT_THROW(ls.text("nosuch"), Error);
}

Error refused(const std::vector<std::string>& arguments) {
  const ParseResult result = parse(arguments);
  if (result.error) return *result.error;
  ADD_FAILURE() << arguments[0] << " was accepted";
  return Error(Code::kInternal, "");
}

TEST(Conflicts, AreSaidFromTheTable) {
  const std::vector<std::string> from{"start", "--from-snapshot", "it"};
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--image", "tiny"},
                                             {"--mem", "1G"},
                                             {"--memory", "1G"},
                                             {"--disk", "1G"},
                                             {"--kernel", "k"},
                                             {"--rootfs", "r"},
                                             {"--initrd", "i"},
                                             {"--kernel-args", "x"},
                                             {"--on-reboot", "stop"}}) {
    std::vector<std::string> all = from;
    all.insert(all.end(), more.begin(), more.end());
    EXPECT_THAT(refused(all).message(), HasSubstr("and --from-snapshot can't be used together")) << more[0];
    EXPECT_THAT(refused(all).hint(), HasSubstr("taken")) << more[0];
  }
  for (const char* flag : {"--force", "--check", "--verify", "--trust-ports", "--disk-only"})
    EXPECT_THAT(refused({"start", flag}).message(), HasSubstr("works only with --from-snapshot")) << flag;
  EXPECT_THAT(refused({"start", "--initrd", "i"}).message(), HasSubstr("only with --kernel or --rootfs"));
  EXPECT_THAT(refused({"start", "--image", "a", "--rootfs", "r"}).message(),
              HasSubstr("--image and --rootfs"));
  EXPECT_THAT(refused({"start", "-d", "--rm"}).message(), HasSubstr("--rm and --detach"));
  EXPECT_THAT(refused({"run", "--keep", "--rm"}).message(), HasSubstr("--rm and --keep"));
  EXPECT_THAT(refused({"exec", "-tT", "web", "ls"}).message(), HasSubstr("--tty and --no-tty"));
  refused({"start", "--from-snapshot", "it", "--port", "0:80", "--trust-ports"});
  refused({"snapshot", "import", "-", "--name", "x", "--keep-name"});
}

TEST(Conflicts, AreNoneWhereFlagsGoTogether) {
  for (const std::vector<std::string>& fine : std::vector<std::vector<std::string>>{
           {"start", "--from-snapshot", "it", "--check", "--verify", "--force", "--port", "0:80"},
           {"start", "--kernel", "k", "--rootfs", "r", "--initrd", "i"},
           {"start", "-d", "--image", "tiny", "--cpus", "2"},
           {"run", "--keep", "-t"},
           {"start", "--detach=false", "--rm"}})
    EXPECT_FALSE(parse(fine).error) << fine[1];
}

TEST(ExitCodes, EveryCodeOfAnErrorIsInTheTableOnce) {
  for (int number = 0; number <= static_cast<int>(Code::kInternal); ++number) {
    const auto code = static_cast<Code>(number);
    const auto& rows = exit_code_rows();
    EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                            [code](const ExitCodeRow& row) {
                              return std::count(row.errors.begin(), row.errors.end(), code) != 0;
                            }),
              1)
        << to_string(code);
  }
  EXPECT_EQ(exit_code_of(Code::kInvalidArgument), 2);
  EXPECT_EQ(exit_code_of(Code::kEngineDied), 12);
  EXPECT_EQ(exit_code_of(Code::kCancelled), 130);
  EXPECT_EQ(exit_code_of(Code::kInternal), 70);
}

TEST(Help, NamesEveryFlagOfEveryCommand) {
  for (const Command* command : commands()) {
    if (command->summary.empty()) continue;
    const std::string help = help_of(*command);
    EXPECT_THAT(overview(), HasSubstr("  " + std::string(command->path)));
    EXPECT_THAT(man_page_of(*command), StartsWith(".TH"));
    for (const Flag& flag : command->flags)
      if (!flag.help.empty()) {
        EXPECT_THAT(help, HasSubstr("--" + std::string(flag.name)));
      }
  }
  EXPECT_THAT(man_page(), HasSubstr("EXIT STATUS"));
  EXPECT_THAT(help_of_group(*find_group("images")), StartsWith("Usage: knaller image COMMAND\n"));
  EXPECT_THAT(help_of_group(*find_group("snapshot")), Not(HasSubstr("rollback")));
}

std::string lines_after(const std::vector<std::string>& words) {
  return completion_lines(expected_after(words), {});
}

TEST(Completion, OffersCommandsAndFlags) {
  EXPECT_THAT(lines_after({"sta"}), StartsWith("start\t"));
  EXPECT_THAT(lines_after({"sto"}), HasSubstr("store\t"));
  EXPECT_THAT(lines_after({"snapshot", ""}), HasSubstr("create\t"));
  EXPECT_THAT(lines_after({"snapshot", ""}), Not(HasSubstr("rollback\t")));
  EXPECT_THAT(lines_after({"start", "--det"}), StartsWith("--detach\t"));
  EXPECT_THAT(lines_after({"start", "--det"}), Not(HasSubstr("--image")));
  EXPECT_EQ(lines_after({"exec", "web", "--", "l"}), "");
  EXPECT_EQ(lines_after({"frobnicate", ""}), "");
}

TEST(Completion, KnowsWhatIsExpected) {
  EXPECT_EQ(expected_after({"stop", ""}).names, Names::kVm);
  EXPECT_EQ(expected_after({"start", "--from-snapshot", ""}).names, Names::kSnapshot);
  EXPECT_EQ(expected_after({"start", "--from-snapshot=snap"}).names, Names::kSnapshot);
  EXPECT_EQ(expected_after({"start", "--image", ""}).names, Names::kImage);
  EXPECT_EQ(expected_after({"snapshot", "rm", "a", ""}).names, Names::kSnapshot);
  EXPECT_EQ(expected_after({"cp", ""}).names, Names::kVmOrFile);
  EXPECT_EQ(expected_after({"logs", "a", ""}).names, Names::kNothing);
  EXPECT_EQ(expected_after({"start", "-p", ""}).names, Names::kNothing);
  EXPECT_EQ(expected_after({"--home", "/x", "stop", ""}).home, "/x");
  EXPECT_EQ(expected_after({"--home=/x", "stop", ""}).home, "/x");
  EXPECT_THAT(lines_after({"start", "--network", "r"}), StartsWith("rootless"));
  EXPECT_THAT(lines_after({"start", "--network=r"}), StartsWith("--network=rootless"));
  EXPECT_THAT(lines_after({"start", "--engine", ""}),
              testing::AllOf(HasSubstr("qemu\t"), HasSubstr(":files")));
  EXPECT_THAT(lines_after({"completion", ""}), HasSubstr("fish"));
}

TEST(Completion, HasAScriptForEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"})
    EXPECT_THAT(completion_script(shell), HasSubstr("__complete"));
  EXPECT_EQ(completion_script("tcsh"), "");
}

}  // namespace
}  // namespace knaller::cli
