// What the ssh program makes of knaller's options: `ssh -G` tells, and connects to nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "cli/ssh_options.h"

namespace knaller::cli {
namespace {

using ::testing::ElementsAre;

// What has been found in configurations, or could be, for every host.
constexpr const char* kHostile = R"(Host *
  NoSuchOption yes
  RemoteCommand touch pwned
  AddressFamily inet6
  BindAddress 192.0.2.1
  HostName evil
  Port 1
  User evil
  ProxyJump evil
  ProxyCommand evil
  CanonicalizeHostname always
  ForwardAgent yes
  ForwardX11 yes
  ForwardX11Trusted yes
  GatewayPorts yes
  ExitOnForwardFailure yes
  Tunnel yes
  PermitLocalCommand yes
  LocalCommand touch pwned
  SetEnv SECRET=1
  ControlMaster auto
  ControlPath /tmp/%C
  ControlPersist yes
  AddKeysToAgent yes
  HashKnownHosts yes
  UpdateHostKeys yes
  VerifyHostKeyDNS yes
  KnownHostsCommand /bin/false
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  HostKeyAlias evil
  RequestTTY force
  EscapeChar none
  SessionType none
  StdinNull yes
  ForkAfterAuthentication yes
  GSSAPIAuthentication yes
  GSSAPIDelegateCredentials yes
  HostbasedAuthentication yes
  PreferredAuthentications password
  PKCS11Provider /tmp/evil.so
)";

using Settings = std::map<std::string, std::vector<std::string>>;

class SshTest : public testing::Test {
 protected:
  void SetUp() override {
    if (find_program("ssh").empty()) GTEST_SKIP() << "ssh is not installed";
  }

  // The settings that this ssh would connect with.
  static Settings settings_of(std::vector<std::string> argv) {
    argv.insert(argv.begin() + 1, "-G");
    const ProgramOutput output =
        run_program({.argv = argv, .search_path = true}, Deadline::after(std::chrono::seconds(30)));
    EXPECT_TRUE(output.status.success()) << output.err;
    Settings settings;
    for (const auto line : split(output.out, '\n')) {
      const size_t space = line.find(' ');
      if (space != std::string_view::npos)
        settings[std::string(line.substr(0, space))].emplace_back(line.substr(space + 1));
    }
    return settings;
  }
  Settings settings_with(const std::string& configuration) const {
    write_file_atomically(AT_FDCWD, folder_.path("config"), configuration, Durability::kNoSync);
    return settings_of({"ssh", "-F", folder_.path("config"), "web"});
  }

  TestFolder folder_;
  SshTarget target_{.host = "127.0.0.1",
                    .port = 2222,
                    .user = "root",
                    .key_file = folder_.path("a key"),
                    .known_hosts_file = folder_.path("known"),
                    .host_alias = "knaller"};
};

TEST_F(SshTest, AStanzaStandsAgainstAnyConfigurationBelowIt) {
  const std::string stanza = ssh_stanza("web", {.target = target_});
  const Settings alone = settings_with(stanza);
  EXPECT_THAT(alone.at("hostname"), ElementsAre("127.0.0.1"));
  EXPECT_THAT(alone.at("forwardagent"), ElementsAre("no"));
  EXPECT_THAT(alone.at("identityfile"), ElementsAre(target_.key_file));
  for (const auto& [keyword, values] : settings_with(stanza + kHostile))
    EXPECT_EQ(alone.contains(keyword) ? alone.at(keyword) : std::vector<std::string>{}, values) << keyword;
}

TEST_F(SshTest, AProxyCommandIsWhatItWasWhateverTheNamesHold) {
  const std::string home = folder_.path("it's 100% \"mine\" $HOME");
  const Settings settings = settings_with(ssh_stanza(
      "web", {.target = target_, .proxy_command = ssh_proxy_command("/a b/knaller", home, "web")}));
  ASSERT_EQ(settings.at("proxycommand").size(), 1U);
  std::string line = settings.at("proxycommand")[0];  // ssh makes one of two percent signs
  line.erase(line.find('%'), 1);
  const std::string words =
      run_checked({.argv = {"/bin/sh", "-c", "printf '%s|' " + line}}, Deadline::never());
  EXPECT_EQ(words, "/a b/knaller|--home|" + home + "|connect|web|22|");
}

TEST_F(SshTest, TheCommandReadsNoConfigurationAndTheUsersOptionsCountFirst) {
  const auto argv = ssh_arguments("web", {.target = target_}, {.command = {"echo", "a b"}});
  EXPECT_EQ(std::vector<std::string>(argv.begin(), argv.begin() + 3),
            (std::vector<std::string>{"ssh", "-F", "none"}));
  EXPECT_EQ(std::vector<std::string>(argv.end() - 4, argv.end()),
            (std::vector<std::string>{"--", "web", "echo", "a b"}));
  const Settings plain = settings_of(argv);
  for (const char* keyword : {"sendenv", "localforward", "remoteforward", "dynamicforward", "certificatefile",
                              "proxyjump", "proxycommand", "remotecommand"})
    EXPECT_FALSE(plain.contains(keyword)) << keyword;
  EXPECT_THAT(plain.at("identityfile"), ElementsAre(target_.key_file));

  const Settings asked = settings_of(
      ssh_arguments("web", {.target = target_},
                    {.options = {"ForwardAgent=yes", "User=me", "SendEnv LANG", "ForwardAgent=no"},
                     .forwards = {"9000:localhost:80"},
                     .tty = true}));
  EXPECT_THAT(asked.at("forwardagent"), ElementsAre("yes"));
  EXPECT_THAT(asked.at("user"), ElementsAre("me"));
  EXPECT_THAT(asked.at("sendenv"), ElementsAre("LANG"));
  EXPECT_THAT(asked.at("localforward"), ElementsAre("9000 [localhost]:80"));
}

}  // namespace
}  // namespace knaller::cli
