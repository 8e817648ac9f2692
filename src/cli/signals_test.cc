#include "cli/signals.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <future>

#include "base/test_folder.h"
#include "cli/raw_terminal.h"

namespace knaller::cli {
namespace {

struct sigaction action_of(int number) {
  struct sigaction action {};
  EXPECT_EQ(::sigaction(number, nullptr, &action), 0);
  return action;
}

TEST(SignalWatcher, CallsBackAndRestoresWhatWasThere) {
  const auto was_there = [](int) {};
  ::signal(SIGUSR1, was_there);
  std::promise<int> seen;
  {
    const SignalWatcher watcher({SIGUSR1}, [&](int number) { seen.set_value(number); });
    ::raise(SIGUSR1);
    EXPECT_EQ(seen.get_future().get(), SIGUSR1);
  }
  EXPECT_EQ(action_of(SIGUSR1).sa_handler, static_cast<sighandler_t>(was_there));
  ::signal(SIGUSR1, SIG_DFL);
}

// SIGHUP as nohup wants it; SIGINT and SIGQUIT as a script does of what it runs in the background.
TEST(SignalWatcher, LeavesIgnoredWhatWasIgnored) {
  for (const int ignored : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
    ::signal(ignored, SIG_IGN);
    {
      SignalWatcher watcher({SIGUSR1, SIGHUP, SIGINT, SIGTERM}, [](int) {});
      watcher.add(SIGQUIT);
      for (const int number : {SIGUSR1, SIGHUP, SIGINT, SIGQUIT, SIGTERM})
        EXPECT_EQ(action_of(number).sa_handler == SIG_IGN, number == ignored) << number;
    }
    EXPECT_EQ(action_of(ignored).sa_handler, SIG_IGN);
    ::signal(ignored, SIG_DFL);
  }
}

// SIGKILL can't be watched for.
TEST(SignalWatcher, FailsAsAnErrorAndUndoesWhatItHadDone) {
  EXPECT_EQ(code_thrown_by([] { SignalWatcher({SIGUSR1, SIGKILL}, [](int) {}); }), Code::kInvalidArgument);
  EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
  SignalWatcher watcher({SIGUSR1}, [](int) {});
  EXPECT_EQ(code_thrown_by([&] { watcher.add(SIGKILL); }), Code::kInvalidArgument);
}

TEST(RawTerminal, IsPutBackWhenTheProgramIsEndedAtOnce) {
  int ours = -1;
  int its = -1;
  ASSERT_EQ(::openpty(&ours, &its, nullptr, nullptr, nullptr), 0);
  const UniqueFd master(ours);
  const UniqueFd terminal(its);
  const auto is_raw = [&] {
    termios now{};
    EXPECT_EQ(::tcgetattr(terminal.get(), &now), 0);
    return (now.c_lflag & ICANON) == 0;
  };
  EXPECT_EXIT(
      {
        const ParseResult parsed = parse({"ls"});
        Output output(false, false);
        Context context(parsed.invocation, output);
        const RawTerminal raw(context, terminal.get());
        if (!is_raw()) ::_exit(1);
        context.on_signal(SIGTERM);
        context.on_signal(SIGTERM);
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
  EXPECT_FALSE(is_raw());
}

}  // namespace
}  // namespace knaller::cli
