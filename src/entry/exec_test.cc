// Programs run by the agent itself, which here serves this machine instead of a guest.
#include "entry/exec.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/file.h"
#include "base/socket.h"
#include "base/text.h"
#include "entry/test_agent.h"

namespace knaller::entry {
namespace {

using ::testing::HasSubstr;

struct Output {
  ExecResult result;
  std::string out;
  std::string err;
};

class ExecTest : public AgentTest {
 protected:
  Output run(ExecOptions options, const std::string& input = {}) const {
    Link link({connect(), {}}, "uuid-of-web");
    Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
    Output output;
    std::string failure;
    options.stdin_fd = in.read_end.get();
    options.stdout_fd = out.write_end.get();
    options.stderr_fd = err.write_end.get();
    std::jthread writer([&] {
      try {
        write_all(in.write_end.get(), input, "the input");
      } catch (const Error&) {  // it need not read all of it
      }
      in.write_end.reset();
    });
    std::jthread reader([&] { output.out = read_to_end(out.read_end.get(), 1 << 30, "the output"); });
    std::jthread other([&] { output.err = read_to_end(err.read_end.get(), 1 << 30, "the errors"); });
    try {
      output.result = exec(link, options);
    } catch (const Error& error) {
      failure = error.what();
    }
    in.read_end.reset();
    out.write_end.reset();
    err.write_end.reset();
    writer.join();
    reader.join();
    other.join();
    if (!failure.empty()) output.err = failure;
    return output;
  }
  static ExecOptions argv(std::vector<std::string> argv) {
    ExecOptions options;
    options.argv = std::move(argv);
    options.user = fmt::format("{}", ::geteuid());
    return options;
  }
  static ExecOptions shell(const std::string& command) { return argv({"/bin/sh", "-c", command}); }
};

TEST_F(ExecTest, RunsAProgram) {
  const Output output = run(argv({"printf", "%s|", "a b", "", "c\nd", "\"'$x"}));
  EXPECT_EQ(output.out, "a b||c\nd|\"'$x|");
  EXPECT_EQ(output.result.exit_code, 0);
}

TEST_F(ExecTest, KeepsOutputAndErrorsApart) {
  const Output output = run(shell("echo out; echo err >&2; exit 42"));
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_EQ(output.result.exit_code, 42);
}

TEST_F(ExecTest, CarriesMegabytesBothWays) {
  const std::string much = random_bytes(32 << 20);
  const Output output = run(argv({"cat"}), much);
  EXPECT_TRUE(output.out == much);
}

TEST_F(ExecTest, DoesNotWaitForAProgramToReadItsInput) {
  EXPECT_EQ(run(argv({"true"}), std::string(8 << 20, 'x')).result.exit_code, 0);
}

TEST_F(ExecTest, TellsTheSignalThatEndedIt) {
  EXPECT_EQ(run(shell("kill -TERM $$")).result.signal, SIGTERM);
}

TEST_F(ExecTest, KnowsWhatThereIsNot) {
  const Output missing = run(argv({"no-such-program"}));
  EXPECT_EQ(missing.result.exit_code, 127);
  EXPECT_EQ(missing.err, "knaller: cannot run 'no-such-program': No such file or directory\n");
  EXPECT_EQ(run(argv({"/etc"})).result.exit_code, 126);
  ExecOptions nobody = argv({"true"});
  nobody.user = "nobody-of-that-name";
  EXPECT_THAT(run(nobody).err, HasSubstr("there is no user 'nobody-of-that-name'"));
  ExecOptions nowhere = argv({"true"});
  nowhere.working_directory = "/no/such/folder";
  EXPECT_THAT(run(nowhere).err, HasSubstr("enter '/no/such/folder': No such file or directory"));
}

TEST_F(ExecTest, GivesItsEnvironmentAndDirectory) {
  ExecOptions options = shell("pwd; echo $GREETING; echo ${HOME:?} ${PATH:?} > /dev/null");
  options.environment = {{"GREETING", "hello there"}};
  options.working_directory = "/usr/lib";
  EXPECT_EQ(run(options).out, "/usr/lib\nhello there\n");
}

TEST_F(ExecTest, TakesArgumentsAsLargeAsExecDoes) {
  const Output output =
      run(argv({"/bin/sh", "-c", "echo $# ${#1}", "sh", std::string(120 << 10, 'a'), "", "z"}));
  EXPECT_EQ(output.out, fmt::format("3 {}\n", 120 << 10));
}

TEST_F(ExecTest, GivesATerminalOfItsOwn) {
  ExecOptions options = shell("tty > /dev/null && stty size; echo err >&2");
  options.tty = true;
  EXPECT_EQ(run(options).out, "24 80\r\nerr\r\n");
}

TEST_F(ExecTest, PassesSignalsOn) {
  Pipe signals = make_pipe();
  ExecOptions options = shell("trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.01; done");
  options.signal_fd = signals.read_end.get();
  options.on_started = [&] {
    write_all(signals.write_end.get(), std::string(1, static_cast<char>(SIGUSR1)), "signals");
  };
  // A signal may come before the trap: then it ends by it.
  const Output output = run(options);
  EXPECT_TRUE(output.result.exit_code == 3 || output.result.signal == SIGUSR1);
}

TEST_F(ExecTest, EndsAProgramWhoseClientIsGone) {
  Pipe out = make_pipe();
  pid_t pid = 0;
  {
    Link link({connect(), {}}, "uuid-of-web");
    std::stop_source stop;
    ExecOptions options = shell("echo $$; exec sleep 1000");
    options.stdout_fd = out.write_end.get();
    options.stop = stop.get_token();
    std::string line, buffer;
    std::jthread killer([&] {
      read_line(out.read_end.get(), buffer, line, 100, kSoon, "the pid");
      stop.request_stop();
    });
    EXPECT_EQ(code_thrown_by([&] { exec(link, options); }), Code::kCancelled);
    killer.join();
    ASSERT_NE(line, "");
    out.read_end.reset();
    pid = std::stoi(line);
  }
  for (const Deadline deadline = Deadline::after(std::chrono::seconds(10)); ::kill(pid, 0) == 0;) {
    ASSERT_FALSE(deadline.expired());
    pause_for(std::chrono::milliseconds(10), deadline);
  }
}

TEST_F(ExecTest, RunsTwoHundredAtOnce) {
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 200; ++i)
    threads.emplace_back([&, i] {
      right += run(argv({"echo", std::to_string(i)})).out == fmt::format("{}\n", i);
    });
  threads.clear();
  EXPECT_EQ(right, 200);
}

TEST_F(ExecTest, HangsUpOnWhatIsNoKnaller) {
  for (const std::string& nonsense :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(8, '\0'), random_bytes(4096)}) {
    const UniqueFd socket = connect();
    send_all(socket.get(), nonsense, kSoon, "the agent");
    char buffer[4096];
    while (::recv(socket.get(), buffer, sizeof buffer, 0) > 0) {
    }
  }
  EXPECT_EQ(run(argv({"true"})).result.exit_code, 0) << "and goes on";
}

}  // namespace
}  // namespace knaller::entry
