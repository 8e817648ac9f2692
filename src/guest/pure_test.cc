// The parts that need no server: quoting, paths, known_hosts, names of signals, keys, answers about renewal.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "guest/command_line.h"
#include "guest/keys.h"
#include "guest/known_hosts.h"
#include "guest/packet_size.h"
#include "guest/renew.h"
#include "guest/signals.h"

namespace knaller::guest {
namespace {

TEST(CommandLine, QuotesForTheShell) {
  EXPECT_EQ(quote_argv({"a", "b c", "it's", ""}), R"('a' 'b c' 'it'\''s' '')");
  EXPECT_EQ(code_thrown_by([] { quote_argv({}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([] { quote_argv({std::string("a\0b", 3)}); }), Code::kInvalidArgument);
}

TEST(CommandLine, PutsEverythingInOrder) {
  ExecOptions options;
  options.argv = {"id"};
  EXPECT_EQ(command_line(options, "root"), "exec 'id'");
  options.environment = {{"A", "1 2"}};
  options.working_directory = "-";
  EXPECT_EQ(command_line(options, "root"), "export A='1 2'; cd './-' || exit 126; exec 'id'");
  options = {};
  options.shell_command = "a | b";
  options.user = "web";
  EXPECT_EQ(command_line(options, "root"), "exec su -s /bin/sh -c 'a | b' 'web'");
}

TEST(CommandLine, RefusesWhatCannotBePassed) {
  ExecOptions options;
  options.argv = {"id"};
  for (const char* name : {"", "1A", "A-B", "A=B", "A;reboot"}) {
    options.environment = {{name, "x"}};
    EXPECT_EQ(code_thrown_by([&] { command_line(options, "root"); }), Code::kInvalidArgument) << name;
  }
  options.environment.clear();
  for (const char* user : {"", "-c"}) {
    options.user = user;
    EXPECT_EQ(code_thrown_by([&] { command_line(options, "root"); }), Code::kInvalidArgument) << user;
  }
  options.user = "root";
  options.argv = {std::string(200'000, 'x')};
  EXPECT_EQ(code_thrown_by([&] { command_line(options, "root"); }), Code::kInvalidArgument);
}

TEST(KnownHosts, FindsTheKeysOfAnAlias) {
  const std::string text =
      "# web ssh-ed25519 NO\n@revoked web ssh-ed25519 NO\n|1|x|y ssh-ed25519 NO\nother ssh-ed25519 NO\nwebby "
      "ssh-rsa NO\n"
      "web ssh-ed25519 AAAA comment\r\nx,web  ssh-rsa BBBB\nweb ssh-rsa\n\n";
  EXPECT_EQ(pinned_keys(text, "web"), (std::vector<std::string>{"ssh-ed25519 AAAA", "ssh-rsa BBBB"}));
  EXPECT_TRUE(pinned_keys("", "web").empty());
  EXPECT_EQ(pinned_keys(known_hosts_line("web", "ssh-ed25519 AAAA"), "web"),
            std::vector<std::string>{"ssh-ed25519 AAAA"});
}

TEST(KnownHosts, TakesOnlyKeysFromAGuest) {
  EXPECT_EQ(known_hosts_of("web", "ssh-ed25519 AAA+/=\n\nssh-rsa BBBB\n"),
            "web ssh-ed25519 AAA+/=\nweb ssh-rsa BBBB\n");
  EXPECT_EQ(known_hosts_of("web", ""), "");
  for (const std::string& line : std::vector<std::string>{
           "ssh-ed25519", "ssh-ed25519 AAAA comment", "@cert-authority AAAA", "ssh-rsa AA\tAA",
           "ssh-rsa AA\rAA", "ssh-rsa ", " AAAA", "x y z", "ssh-rsa \x1b[31m"})
    EXPECT_EQ(code_thrown_by([&] { known_hosts_of("web", "ssh-ed25519 AAAA\n" + line); }), Code::kCorrupt)
        << line;
  std::string many;
  for (int i = 0; i < 17; ++i) many += "ssh-rsa AAAA\n";
  EXPECT_EQ(code_thrown_by([&] { known_hosts_of("web", many); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { known_hosts_of("web", "ssh-rsa " + std::string(9000, 'A')); }),
            Code::kCorrupt);
}

TEST(KnownHosts, PrefersThePinnedKindOfKey) {
  EXPECT_TRUE(host_key_algorithms({}).starts_with("ssh-ed25519,"));
  EXPECT_TRUE(host_key_algorithms({"ssh-rsa AAAA"}).starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519,"));
  EXPECT_TRUE(
      host_key_algorithms({"ecdsa-sha2-nistp384 AAAA"}).starts_with("ecdsa-sha2-nistp384,ssh-ed25519,"));
}

TEST(Signals, HaveNamesBothWays) {
  EXPECT_EQ(signal_name(SIGTERM), "TERM");
  EXPECT_EQ(signal_name(SIGWINCH), "");
  EXPECT_EQ(signal_number("KILL"), SIGKILL);
  EXPECT_EQ(signal_number("BUS@openssh.com"), SIGBUS);
  EXPECT_EQ(signal_number("nonsense"), std::nullopt);
}

TEST(PacketSize, IsReadAndChecked) {
  EXPECT_EQ(packet_size_in("ssh_packet_channel_open_conf: Remote window : 0, maxpacket : 32768"), 32768u);
  EXPECT_EQ(packet_size_in("f: Remote window : 0, maxpacket : 10"), 10u);
  for (const char* message : {"", "maxpacket : ", "maxpacket : x", "maxpacket : 99999999999", "other"})
    EXPECT_EQ(packet_size_in(message), std::nullopt) << message;
  for (const uint32_t size : {0u, 1u, 9u, 10u, 11u, 511u})
    EXPECT_EQ(code_thrown_by([&] { check_packet_size(size); }), Code::kIo) << size;
  check_packet_size(32768);
  check_packet_size(std::nullopt);
}

TEST(Keys, AreOpenSshsOwnForm) {
  const auto pair = make_ed25519_key("knaller web");
  EXPECT_TRUE(pair.public_line.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5")) << pair.public_line;
  EXPECT_TRUE(pair.public_line.ends_with(" knaller web"));
  EXPECT_NE(make_ed25519_key("x").private_key, pair.private_key);
  EXPECT_EQ(public_key_base64("ssh-ed25519 AAAA me\n"), "AAAA");
  EXPECT_EQ(code_thrown_by([] { public_key_base64("AAAA"); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([] { make_ed25519_key("two\nlines"); }), Code::kInvalidArgument);

  if (find_program("ssh-keygen").empty()) GTEST_SKIP() << "ssh-keygen is not installed";
  const TestFolder folder;
  write_file_atomically(folder.fd(), "key", pair.private_key);
  SpawnOptions options;
  options.argv = {"ssh-keygen", "-y", "-P", "", "-f", folder.path("key")};
  options.search_path = true;
  const auto shown = run_checked(options, Deadline::after(std::chrono::seconds(20)));
  EXPECT_TRUE(pair.public_line.starts_with(shown.substr(0, shown.find_last_not_of('\n') + 1).substr(0, 80)))
      << shown;
}

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
}  // namespace knaller::guest
