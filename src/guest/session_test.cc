#include "guest/session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "guest/channel.h"
#include "guest/session_impl.h"
#include "guest/test_server.h"

namespace knaller::guest {
namespace {

using namespace std::chrono_literals;

Deadline soon(std::stop_token stop = {}) {
  return Deadline::after(20s, std::move(stop));
}

class SessionTest : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_server(GetParam()); !why.empty()) GTEST_SKIP() << why;
    server_.emplace(GetParam());
  }
  void TearDown() override {
    if (HasFailure() && server_) std::fputs(server_->log().c_str(), stderr);
  }
  Session connect() { return Session::connect(server_->address(), soon()); }
  std::string run(const std::vector<std::string>& argv) { return connect().run(argv, "", soon()); }
  CommandOutput shell(const std::string& command, std::string_view input = {}) {
    auto session = connect();
    ExecOptions options;
    options.shell_command = command;
    return session.run_command(options, input, soon());
  }

  std::optional<TestServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Servers, SessionTest, testing::Values(ServerKind::kOpenSsh, ServerKind::kDropbear),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kOpenSsh ? "OpenSsh" : "Dropbear";
                         });

TEST_P(SessionTest, PassesEveryArgumentLiterally) {
  const std::vector<std::string> odd{"a b",        "$HOME", "it's", "\"", "\\",       "*",
                                     "line\nline", "",      "`id`", "-n", "\xff\x01", ";"};
  std::vector<std::string> argv{"printf", "%s|"};
  argv.insert(argv.end(), odd.begin(), odd.end());
  std::string expected;
  for (const auto& argument : odd) expected += argument + "|";
  EXPECT_EQ(run(argv), expected);
}

TEST_P(SessionTest, GivesTheCommandsOwnExitStatus) {
  for (const int status : {0, 1, 125, 126, 127, 254, 255}) {
    const auto output = shell("exit " + std::to_string(status));
    EXPECT_EQ(output.result.exit_code, status);
    EXPECT_EQ(output.result.signal, 0);
  }
}

TEST_P(SessionTest, TellsAbsentCommandsAndFilesThatAreNone) {
  auto session = connect();
  ExecOptions options;
  options.argv = {"/nonexistent"};
  EXPECT_EQ(session.run_command(options, "", soon()).result.exit_code, 127);
  options.argv = {"/etc/passwd"};
  EXPECT_EQ(session.run_command(options, "", soon()).result.exit_code, 126);
  options.argv = {"-dash"};
  EXPECT_EQ(session.run_command(options, "", soon()).result.exit_code, 127);
}

TEST_P(SessionTest, TellsTheSignalThatEndedTheCommand) {
  for (const int number : {SIGTERM, SIGKILL, SIGSEGV, SIGUSR1}) {
    const auto output = shell("kill -" + std::to_string(number) + " $$");
    EXPECT_EQ(output.result.signal, number);
  }
}

TEST_P(SessionTest, SetsEnvironmentDirectoryAndUser) {
  auto session = connect();
  ExecOptions options;
  options.environment = {{"GREETING", "it's $me"}};
  options.working_directory = "/tmp";
  options.shell_command = "printf '%s %s %s' \"$GREETING\" \"$PWD\" \"$(id -un)\"";
  EXPECT_EQ(session.run_command(options, "", soon()).out, "it's $me /tmp root");
  options.user = "nobody";
  EXPECT_EQ(session.run_command(options, "", soon()).out, "it's $me /tmp nobody");
  options.working_directory = "/nonexistent";
  EXPECT_EQ(session.run_command(options, "", soon()).result.exit_code, 126);
}

TEST_P(SessionTest, MovesManyBytesBothWays) {
  std::string big(3 << 20, 'x');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7 + (i >> 8));
  auto session = connect();
  ExecOptions options;
  options.argv = {"cat"};
  const auto output = session.run_command(options, big, soon(), 8 << 20);
  EXPECT_EQ(output.out.size(), big.size());
  EXPECT_TRUE(output.out == big);
  EXPECT_EQ(code_thrown_by([&] { session.run_command(options, big, soon(), 1 << 20); }), Code::kIo);
}

TEST_P(SessionTest, KeepsErrorOutputApart) {
  const auto output = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_EQ(output.result.exit_code, 3);
  try {
    connect().run({"ls", "/nonexistent"}, "", soon());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kIo);
    EXPECT_NE(error.message().find("/nonexistent"), std::string::npos) << error.what();
  }
}

TEST_P(SessionTest, SeesHowLargeAPacketTheServerTakes) {
  auto session = connect();
  const Channel channel(session.impl().link, soon());
  ASSERT_TRUE(channel.packet_size());
  EXPECT_GT(*channel.packet_size(), 30'000u);
  EXPECT_EQ(libssh().ssh_get_log_level(), 0);
}

// --- exec ---

TEST_P(SessionTest, ExecJoinsTheCallersDescriptors) {
  auto session = connect();
  const TestFolder folder;
  write_file_atomically(folder.fd(), "in", std::string(1 << 20, 'y'), Durability::kNoSync);
  const UniqueFd in = open_at(folder.fd(), "in", O_RDONLY);
  const UniqueFd out = open_at(folder.fd(), "out", O_RDWR | O_CREAT);
  const UniqueFd err = open_at(folder.fd(), "err", O_RDWR | O_CREAT);
  ExecOptions options;
  options.shell_command = "cat; echo done >&2; exit 255";
  options.stdin_fd = in.get();
  options.stdout_fd = out.get();
  options.stderr_fd = err.get();
  EXPECT_EQ(session.exec(options).exit_code, 255);
  EXPECT_TRUE(read_file(folder.fd(), "out", 2 << 20) == std::string(1 << 20, 'y'));
  EXPECT_EQ(read_file(folder.fd(), "err"), "done\n");
}

TEST_P(SessionTest, ExecKeepsUpWithASlowReader) {
  auto session = connect();
  auto pipe = make_pipe();
  ExecOptions options;
  options.shell_command = "head -c 3000000 /dev/zero";
  options.stdout_fd = pipe.write_end.get();
  size_t total = 0;
  std::thread reader([&] {
    std::vector<char> buffer(1000);
    while (const size_t got = read_up_to(pipe.read_end.get(), buffer.data(), buffer.size(), "pipe"))
      total += got;
  });
  EXPECT_EQ(session.exec(options).exit_code, 0);
  pipe.write_end.reset();
  reader.join();
  EXPECT_EQ(total, 3000000u);
}

TEST_P(SessionTest, ExecEndsAsByPipeSignalWhenNobodyReads) {
  auto session = connect();
  auto pipe = make_pipe();
  pipe.read_end.reset();
  ExecOptions options;
  options.argv = {"yes"};
  options.stdout_fd = pipe.write_end.get();
  const auto result = session.exec(options);
  EXPECT_EQ(result.signal, SIGPIPE);
}

TEST_P(SessionTest, ExecPassesSignals) {
  auto session = connect();
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    auto signals = make_pipe();
    auto out = make_pipe();
    std::jthread killer([&] {
      char ready = 0;
      read_up_to(out.read_end.get(), &ready, 1, "the command's output");
      const char byte = static_cast<char>(number);
      write_all(signals.write_end.get(), {&byte, 1}, "signals");
    });
    ExecOptions options;
    options.argv = {"sh", "-c", "echo; exec sleep 100"};
    options.stdout_fd = out.write_end.get();
    options.signal_fd = signals.read_end.get();
    EXPECT_EQ(session.exec(options).signal, number);
  }
}

// As administrators of OpenSSH may have it: there is no second command that could carry a signal.
TEST_P(SessionTest, ExecGoesOnWhereASignalCanNotBePassed) {
  if (GetParam() != ServerKind::kOpenSsh) return;
  const std::string config = server_->folder().path("sshd_config");
  write_file_atomically(AT_FDCWD, config, read_file(config) + "MaxSessions 1\n", Durability::kNoSync);
  auto session = connect();
  auto signals = make_pipe();
  auto in = make_pipe();
  auto out = make_pipe();
  std::jthread user([&] {
    char ready = 0;
    read_up_to(out.read_end.get(), &ready, 1, "the command's output");
    const char byte = SIGTERM;
    write_all(signals.write_end.get(), {&byte, 1}, "signals");
    write_all(in.write_end.get(), "\n", "the command's input");
  });
  ExecOptions options;
  options.shell_command = "echo; read -r line; exit 7";
  options.stdin_fd = in.read_end.get();
  options.stdout_fd = out.write_end.get();
  options.signal_fd = signals.read_end.get();
  EXPECT_EQ(session.exec(options).exit_code, 7);
}

TEST_P(SessionTest, SaysHowLongACommandMayBeWhereThatIsWhyItWasRefused) {
  if (GetParam() != ServerKind::kDropbear) return;
  try {
    shell("true " + std::string(10'000, 'x'));
    ADD_FAILURE() << "it was run";
  } catch (const Error& error) {
    EXPECT_NE(error.hint().find("at most 9000 bytes"), std::string::npos) << error.what();
  }
}

TEST_P(SessionTest, ExecGivesATerminalWithOurWindowSize) {
  auto session = connect();
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal);
  ASSERT_EQ(::grantpt(terminal.get()), 0);
  ASSERT_EQ(::unlockpt(terminal.get()), 0);
  const UniqueFd inner(::open(::ptsname(terminal.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  winsize size{.ws_row = 33, .ws_col = 101, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(inner.get(), TIOCSWINSZ, &size), 0);
  auto signals = make_pipe();
  auto out = make_pipe();

  ExecOptions options;
  options.shell_command =
      "trap 'stty size; exit 7' WINCH; stty size; tty >/dev/null && echo terminal $TERM; while :; do sleep "
      "0.05; done";
  options.tty = true;
  options.environment = {{"TERM", "vt220"}};
  options.stdin_fd = inner.get();
  options.stdout_fd = out.write_end.get();
  options.signal_fd = signals.read_end.get();
  std::string said;
  std::jthread resizer([&] {
    char c = 0;
    while (said.find("vt220") == std::string::npos && read_up_to(out.read_end.get(), &c, 1, "output") == 1)
      said += c;
    size.ws_row = 44;
    ::ioctl(inner.get(), TIOCSWINSZ, &size);
    write_all(signals.write_end.get(), std::string_view("\0", 1), "signals");
    while (read_up_to(out.read_end.get(), &c, 1, "output") == 1) said += c;
  });
  EXPECT_EQ(session.exec(options).exit_code, 7);
  out.write_end.reset();
  resizer.join();
  EXPECT_NE(said.find("33 101"), std::string::npos) << said;
  EXPECT_NE(said.find("terminal vt220"), std::string::npos) << said;
  EXPECT_NE(said.find("44 101"), std::string::npos) << said;
}

TEST_P(SessionTest, ExecEndsWhenTheCallerStops) {
  auto session = connect();
  std::stop_source stop;
  auto out = make_pipe();
  ExecOptions options;
  options.argv = {"sh", "-c", "echo; exec sleep 100"};
  options.stdout_fd = out.write_end.get();
  options.stop = stop.get_token();
  std::jthread stopper([&] {
    char ready = 0;
    read_up_to(out.read_end.get(), &ready, 1, "the command's output");
    stop.request_stop();
  });
  EXPECT_EQ(code_thrown_by([&] { session.exec(options); }), Code::kCancelled);
}

TEST_P(SessionTest, ExecEndsWhenTheGuestDies) {
  auto session = connect();
  auto out = make_pipe();
  ExecOptions options;
  options.argv = {"sh", "-c", "echo; kill -9 $PPID; exec sleep 100"};
  options.stdout_fd = out.write_end.get();
  EXPECT_EQ(code_thrown_by([&] { session.exec(options); }), Code::kIo);
}

TEST_P(SessionTest, EndsAtTheDeadline) {
  auto session = connect();
  ExecOptions options;
  options.argv = {"sleep", "100"};
  EXPECT_EQ(code_thrown_by([&] { session.run_command(options, "", Deadline::after(100ms)); }),
            Code::kTimeout);
  // A guest that never stops talking on the other stream does not outrun it either.
  options.argv = {"sh", "-c", "exec yes >&2"};
  auto other = connect();
  EXPECT_EQ(code_thrown_by([&] { other.run_command(options, "", Deadline::after(300ms)); }), Code::kTimeout);
}

// --- keys ---

TEST_P(SessionTest, PinsTheHostKey) {
  const auto address = server_->address();
  const std::string key = connect().host_key();
  EXPECT_TRUE(key.starts_with("ssh-ed25519 AAAA")) << key;
  EXPECT_EQ(read_file(address.known_hosts_file), "guest " + key + "\n");
  EXPECT_EQ(connect().host_key(), key);
  std::vector<std::string> wrong_keys{make_ed25519_key("other").public_line};
  // dropbear 2022.83 offers RSA without having such a key, and dies when it is chosen.
  if (GetParam() == ServerKind::kOpenSsh) wrong_keys.push_back("ssh-rsa AAAAB3NzaC1yc2E=");
  for (const auto& wrong : wrong_keys) {
    write_file_atomically(AT_FDCWD, address.known_hosts_file, "guest " + wrong + "\n");
    try {
      connect();
      FAIL() << "a wrong host key was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kPermission);
      EXPECT_NE(error.message().find("another host key (SHA256:"), std::string::npos) << error.what();
      EXPECT_FALSE(error.hint().empty());
    }
    EXPECT_EQ(read_file(address.known_hosts_file), "guest " + wrong + "\n");
  }
}

// Users enter with ssh itself, which must take the key and the pinned host key as we wrote them.
TEST_P(SessionTest, PinsAsRealSshReadsIt) {
  if (find_program("ssh").empty()) GTEST_SKIP() << "ssh is not installed";
  connect();
  const auto address = server_->address();
  const auto ssh = [&](const std::string& alias) {
    SpawnOptions options;
    options.search_path = true;
    options.argv = {"ssh", "-F", "none", "-p", std::to_string(address.port), "-i", address.key_file};
    for (const std::string& setting :
         {std::string("BatchMode=yes"), std::string("StrictHostKeyChecking=yes"),
          std::string("IdentitiesOnly=yes"), "UserKnownHostsFile=" + address.known_hosts_file,
          "HostKeyAlias=" + alias}) {
      options.argv.push_back("-o");
      options.argv.push_back(setting);
    }
    options.argv.insert(options.argv.end(), {"root@127.0.0.1", "echo hello"});
    return run_program(options, soon());
  };
  EXPECT_EQ(ssh(address.host_alias).out, "hello\n");
  EXPECT_FALSE(ssh("stranger").status.success());
}

TEST_P(SessionTest, SaysWhenItsKeyIsRefused) {
  auto address = server_->address();
  write_file_atomically(AT_FDCWD, address.key_file, make_ed25519_key("stranger").private_key);
  EXPECT_EQ(code_thrown_by([&] { Session::connect(address, soon()); }), Code::kPermission);
  write_file_atomically(AT_FDCWD, address.key_file, "no key");
  EXPECT_EQ(code_thrown_by([&] { Session::connect(address, soon()); }), Code::kCorrupt);
  address.key_file += ".absent";
  EXPECT_EQ(code_thrown_by([&] { Session::connect(address, soon()); }), Code::kNotFound);
}

}  // namespace
}  // namespace knaller::guest
