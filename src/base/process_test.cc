#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/test_folder.h"
#include "base/text.h"

namespace knaller {
namespace {

using namespace std::chrono_literals;

SpawnOptions shell(const std::string& script) {
  SpawnOptions options;
  options.argv = {"/bin/sh", "-c", script};
  return options;
}

std::string output_of(const SpawnOptions& options) {
  return run_checked(options, kSoon);
}

TEST(SpawnTest, ReportsHowAProcessEnded) {
  EXPECT_EQ(spawn(shell("exit 3")).wait(kSoon)->describe(), "exit code 3");
  const auto killed = spawn(shell("kill -9 $$")).wait(kSoon);
  EXPECT_EQ(killed->describe(), "killed by signal 9 (Killed)");
  EXPECT_FALSE(killed->success());
  EXPECT_TRUE(spawn(shell("exit 0")).wait(kSoon)->success());
}

TEST(SpawnTest, TellsWhyAProgramCannotBeExecuted) {
  TestFolder folder;
  SpawnOptions options;
  options.argv = {folder.path("absent")};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kNotFound);
  write_file_atomically(folder.fd(), "data", "x", Durability::kNoSync, 0600);
  options.argv = {folder.path("data")};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kPermission);
  write_file_atomically(folder.fd(), "odd", "not a program", Durability::kNoSync, 0700);
  options.argv = {folder.path("odd")};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kIo);
  options.argv = {};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kInvalidArgument);
  options = shell("true");
  options.working_directory = folder.path("absent");
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kNotFound);
}

TEST(SpawnTest, SearchesPathOnlyWhenAsked) {
  SpawnOptions options;
  options.argv = {"sh", "-c", "echo found"};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kNotFound);
  options.search_path = true;
  EXPECT_EQ(output_of(options), "found\n");
  options.argv = {"knaller-no-such-program"};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kNotFound);
  EXPECT_EQ(find_program("/bin/sh"), "/bin/sh");
  EXPECT_EQ(find_program("/"), "");
  EXPECT_EQ(find_program(""), "");
}

TEST(SpawnTest, GivesEnvironmentAndDirectory) {
  TestFolder folder;
  SpawnOptions options = shell("echo $KNALLER_TEST; pwd");
  options.environment = {"KNALLER_TEST=yes"};
  options.working_directory = folder.path();
  EXPECT_EQ(output_of(options), "yes\n" + folder.path() + "\n");
}

// The shell has these and its standard ones open, and nothing else: `ls` adds the folder that it reads.
TEST(SpawnTest, GivesExactlyTheDescriptorsAskedFor) {
  const UniqueFd leak(::open("/dev/null", O_RDONLY));  // no O_CLOEXEC: it must be closed all the same
  const UniqueFd wanted(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  SpawnOptions options;
  options.argv = {"/bin/ls", "/proc/self/fd"};
  options.descriptors = {{wanted.get(), 9}, {wanted.get(), 5}};
  EXPECT_EQ(output_of(options), "0\n1\n2\n3\n5\n9\n");
}

TEST(SpawnTest, NumbersThatCollideAreSwappedRight) {
  TestFolder folder;
  write_file_atomically(folder.fd(), "a", "A", Durability::kNoSync);
  write_file_atomically(folder.fd(), "b", "B", Durability::kNoSync);
  const UniqueFd a = open_at(folder.fd(), "a", O_RDONLY);
  const UniqueFd b = open_at(folder.fd(), "b", O_RDONLY);
  SpawnOptions options;
  options.argv = {"/bin/cat", fmt::format("/proc/self/fd/{}", a.get()),
                  fmt::format("/proc/self/fd/{}", b.get())};
  options.descriptors = {{a.get(), b.get()}, {b.get(), a.get()}};
  EXPECT_EQ(output_of(options), "BA");
  options.descriptors = {{a.get(), 7}, {b.get(), 7}};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kInvalidArgument);
  options.descriptors = {{a.get(), 1}};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kInvalidArgument);
  options.descriptors = {{-1, 7}};
  EXPECT_EQ(code_thrown_by([&] { spawn(options); }), Code::kIo);
}

TEST(SpawnTest, SignalsAreResetInTheChildAndUntouchedInTheParent) {
  struct sigaction ignore = {}, before = {}, after = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  sigset_t blocked, mask_before, mask_after;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask_before);
  SpawnOptions options;
  options.argv = {"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
  const std::string masks = output_of(options);
  ::pthread_sigmask(SIG_SETMASK, &mask_before, &mask_after);
  ::sigaction(SIGPIPE, &before, &after);
  EXPECT_EQ(masks, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  EXPECT_EQ(sigismember(&mask_after, SIGUSR1), 1);
  EXPECT_EQ(sigismember(&mask_after, SIGTERM), 0);
  EXPECT_EQ(after.sa_handler, SIG_IGN);
}

TEST(ChildTest, TheDestructorKillsAndReaps) {
  UniqueFd pidfd;
  pid_t pid = -1;
  {
    const Child child = spawn(shell("exec sleep 1000"));
    pid = child.pid();
    pidfd.reset(::fcntl(child.pidfd(), F_DUPFD_CLOEXEC, 3));
  }
  EXPECT_EQ(poll_until(pidfd.get(), POLLIN, Deadline::after(0s)) & POLLIN, POLLIN);
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1) << "it is not a zombie either";
}

TEST(ChildTest, AGroupOfItsOwnEndsWithIt) {
  const auto last_words = [](bool own_group) {
    Pipe words = make_pipe();
    Pipe release = make_pipe();
    {
      SpawnOptions options = shell("(read line; echo survived >&2) <&3 & echo up; wait");
      options.own_group = own_group;
      options.descriptors = {{release.read_end.get(), 3}};
      options.stderr_fd = words.write_end.get();
      Pipe ready = make_pipe();
      options.stdout_fd = ready.write_end.get();
      const Child child = spawn(options);
      char text[3];
      read_up_to(ready.read_end.get(), text, sizeof text, "the child");
    }
    words.write_end.reset();
    release = {};
    return read_to_end(words.read_end.get(), 100, "what is left");
  };
  EXPECT_EQ(last_words(true), "");
  EXPECT_EQ(last_words(false), "survived\n");
}

TEST(ChildTest, WaitsUntilTheDeadlineAndSignals) {
  Child child = spawn(shell("exec sleep 1000"));
  EXPECT_EQ(child.wait(Deadline::after(1ms)), std::nullopt);
  child.signal(SIGTERM);
  const auto status = child.wait(kSoon);
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->signaled);
  EXPECT_EQ(status->value, SIGTERM);
  child.signal(SIGTERM);
  child.kill_and_reap();
  EXPECT_FALSE(child);
}

TEST(ChildTest, AnEndedProcessMayStillBeSignalled) {
  Child child = spawn(shell("exit 0"));
  wait_readable(child.pidfd(), kSoon, "the end");
  child.signal(SIGTERM);
  EXPECT_TRUE(child.wait(kSoon)->success());
}

TEST(ChildTest, ADetachedProcessGoesOn) {
  Child child = spawn(shell("exec sleep 1000"));
  const pid_t pid = child.pid();
  UniqueFd pidfd = child.detach();
  EXPECT_FALSE(child);
  child.kill_and_reap();
  EXPECT_EQ(poll_until(pidfd.get(), POLLIN, Deadline::after(0s)), 0);
  Child again(pid, std::move(pidfd));
  again.kill_and_reap();
}

// A parent that dies: forked here, it spawns a child that writes its pid, waits for a line on `release`, and
// then writes "survived". What comes out of the returned pipe is all that the child lived to write.
std::string words_of_orphan(bool outlive_parent) {
  Pipe words = make_pipe();
  Pipe release = make_pipe();
  const pid_t parent = ::fork();
  if (parent == 0) {
    release.write_end.reset();
    SpawnOptions options = shell("echo started >&2; read line; echo survived >&2");
    options.stdin_fd = release.read_end.get();
    options.stderr_fd = words.write_end.get();
    options.outlive_parent = outlive_parent;
    Child child = spawn(options);
    char text[8];
    read_up_to(words.read_end.get(), text, sizeof text, "the child");
    ::_exit(0);  // without running the destructor
  }
  words.write_end.reset();
  release.read_end.reset();
  ::waitpid(parent, nullptr, 0);
  // The parent is dead, so the signal has been sent; a child that it spared now goes on.
  release.write_end.reset();
  return read_to_end(words.read_end.get(), 100, "an orphan");
}

TEST(ChildTest, DiesWithItsParentUnlessItShallOutliveIt) {
  EXPECT_EQ(words_of_orphan(false), "");
  EXPECT_EQ(words_of_orphan(true), "survived\n");
}

TEST(RunProgramTest, FeedsAndReadsAtOnce) {
  SpawnOptions options;
  options.argv = {"/bin/cat"};
  const std::string input(3 << 20, 'x');
  const ProgramOutput output = run_program(options, kSoon, input);
  EXPECT_TRUE(output.status.success());
  EXPECT_EQ(output.out, input);
}

TEST(RunProgramTest, AProgramNeedNotReadItsInput) {
  EXPECT_EQ(run_checked(shell("exec 0<&-; echo done"), kSoon, std::string(1 << 20, 'x')), "done\n");
}

TEST(RunProgramTest, AProgramMayCloseItsOutputsAndGoOn) {
  const ProgramOutput output = run_program(shell("echo a; exec 1>&- 2>&-; exec /bin/false"), kSoon);
  EXPECT_EQ(output.out, "a\n");
  EXPECT_EQ(output.status.value, 1);
}

TEST(RunProgramTest, AGrandchildThatKeepsThePipesIsNotWaitedFor) {
  // The grandchild ends when the test closes the fifo that it reads.
  TestFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("fifo").c_str(), 0600), 0);
  const UniqueFd fifo = open_at(folder.fd(), "fifo", O_RDWR);
  EXPECT_EQ(run_checked(shell("/bin/cat '" + folder.path("fifo") + "' & echo out"), kSoon), "out\n");
  write_all(fifo.get(), "x", "the fifo");
}

TEST(RunProgramTest, IsKilledAtTheDeadlineAndOnStop) {
  EXPECT_EQ(code_thrown_by([] { run_program(shell("exec sleep 1000"), Deadline::after(5ms)); }),
            Code::kTimeout);
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(
      code_thrown_by([&] { run_program(shell("exec sleep 1000"), Deadline::never(source.get_token())); }),
      Code::kCancelled);
}

TEST(RunProgramTest, KeepsTheEndOfErrorsAndLimitsOutput) {
  const ProgramOutput output = run_program(shell("head -c 300000 /dev/zero >&2; echo last >&2"), kSoon);
  EXPECT_EQ(output.err.size(), 16u << 10);
  EXPECT_EQ(output.err.substr(output.err.size() - 5), "last\n");
  EXPECT_EQ(code_thrown_by([] { run_program(shell("exec cat /dev/zero"), kSoon, {}, 1 << 20); }), Code::kIo);
}

TEST(RunProgramTest, OutputMayGoToADescriptorInstead) {
  Pipe pipe = make_pipe();
  SpawnOptions options = shell("echo there");
  options.stdout_fd = pipe.write_end.get();
  EXPECT_EQ(run_checked(options, kSoon), "");
  pipe.write_end.reset();
  EXPECT_EQ(read_to_end(pipe.read_end.get(), 100, "a pipe"), "there\n");
}

TEST(RunCheckedTest, ReportsTheProgramsOwnWordsSafely) {
  try {
    run_checked(shell("echo one >&2; printf '\\033two\\n' >&2; exit 4"), kSoon);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "'/bin/sh' failed: exit code 4: one; \\x1btwo");
    EXPECT_EQ(error.code(), Code::kIo);
  }
}

}  // namespace
}  // namespace knaller
