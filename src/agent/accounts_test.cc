#include "agent/accounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/program.h"

namespace knaller::agent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/bash\n"
    "web:x:1000:1000:,,,:/srv/web:/bin/sh\n"
    "1234:x:7:7::/home/odd:\n"
    "broken line\n"
    "nan:x:minus:1::/:\n"
    "bare:x:1001:100::\n"
    "homeless:x:1002:100:::\n";
constexpr char kGroups[] =
    "root:x:0:\n"
    "adm:x:4:web,other\n"
    "web:x:1000:\n"
    "docker:x:998:other,web\n"
    "broken\n";

// "uid:gid:groups home", or what is missing.
std::string found(const std::string& user, const std::string& group = {}) {
  Account account;
  std::string missing;
  if (!find_account(kPasswd, kGroups, user, group, &account, &missing)) return missing;
  std::string text = std::to_string(account.uid) + ":" + std::to_string(account.gid) + ":";
  for (const gid_t one : account.groups) text += std::to_string(one) + ",";
  return text + " " + account.home;
}

TEST(Accounts, AreThoseOfTheGuestsFiles) {
  EXPECT_EQ(found(""), "0:0:0, /root");
  EXPECT_EQ(found("web"), "1000:1000:1000,4,998, /srv/web");
  EXPECT_EQ(found("1000"), "1000:1000:1000,4,998, /srv/web") << "by its number";
  EXPECT_EQ(found("1234"), "7:7:7, /home/odd") << "a name of digits is a name first";
  EXPECT_EQ(found("homeless"), "1002:100:100, /");
}

TEST(Accounts, MayBeANumberThatNobodyHas) {
  EXPECT_EQ(found("4242"), "4242:4242:4242, /");
  EXPECT_EQ(found("4242", "adm"), "4242:4:4, /");
}

TEST(Accounts, TakeAnotherGroup) {
  EXPECT_EQ(found("web", "docker"), "1000:998:998,4, /srv/web");
  EXPECT_EQ(found("web", "55"), "1000:55:55,4,998, /srv/web");
}

TEST(Accounts, SayWhatThereIsNot) {
  EXPECT_EQ(found("nobody"), "user 'nobody'");
  EXPECT_EQ(found("nan"), "user 'nan'") << "its line says nothing";
  EXPECT_EQ(found("bare"), "user 'bare'");
  EXPECT_EQ(found("-1"), "user '-1'");
  EXPECT_EQ(found("4294967295"), "user '4294967295'") << "which means none";
  EXPECT_EQ(found("web", "nogroup"), "group 'nogroup'");
}

TEST(Accounts, OfAGuestWithoutFilesAreNumbers) {
  Account account;
  std::string missing;
  EXPECT_TRUE(find_account("", "", "", "", &account, &missing));
  EXPECT_EQ(account.uid, 0U);
}

TEST(Programs, HaveTheEnvironmentOfTheirUser) {
  Program program;
  program.account = {.uid = 1000, .name = "web", .home = "/srv/web", .shell = "/bin/dash"};
  program.environment = {"HOME=/elsewhere", "A=b=c"};
  const auto environment = environment_of(program);
  EXPECT_THAT(environment, Contains("HOME=/elsewhere"));
  EXPECT_THAT(environment, Contains("USER=web"));
  EXPECT_THAT(environment, Contains("SHELL=/bin/dash"));
  EXPECT_THAT(environment, Contains("A=b=c"));
  EXPECT_THAT(environment, ::testing::Not(Contains("HOME=/srv/web")));
}

TEST(Programs, AreLookedForWhereThePathSays) {
  EXPECT_THAT(candidates_of("ls", {"PATH=/usr/bin:/bin"}), ElementsAre("/usr/bin/ls", "/bin/ls"));
  EXPECT_THAT(candidates_of("./ls", {"PATH=/usr/bin"}), ElementsAre("./ls"));
  EXPECT_THAT(candidates_of("ls", {"PATH=/bin::"}), ElementsAre("/bin/ls", "ls", "ls"));
  EXPECT_THAT(candidates_of("", {"PATH=/bin"}), ElementsAre());
}

}  // namespace
}  // namespace knaller::agent
