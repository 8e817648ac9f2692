#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "base/test_folder.h"

namespace knaller {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFdTest, ClosesWhatItOwnsAndNothingElse) {
  Pipe pipe = make_pipe();
  const int number = pipe.read_end.get();
  UniqueFd moved = std::move(pipe.read_end);
  EXPECT_FALSE(pipe.read_end);
  EXPECT_EQ(moved.get(), number);
  EXPECT_TRUE(is_open(number));
  moved.reset();
  EXPECT_FALSE(is_open(number));
  const int released = pipe.write_end.release();
  EXPECT_TRUE(is_open(released));
  UniqueFd owner(released);
}

TEST(UniqueFdTest, AllDescriptorsCloseOnExec) {
  const Pipe pipe = make_pipe();
  const auto sockets = make_socket_pair();
  const UniqueFd copy = pipe.read_end.duplicate();
  for (const int fd :
       {pipe.read_end.get(), pipe.write_end.get(), sockets.first.get(), sockets.second.get(), copy.get()}) {
    EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_NE(copy.get(), pipe.read_end.get());
  EXPECT_EQ(code_thrown_by([] { UniqueFd().duplicate(); }), Code::kIo);
}

TEST(FdTest, MoreThanAPipeHoldsIsWrittenAndReadWhole) {
  Pipe pipe = make_pipe();
  const std::string data(1 << 20, 'k');
  std::jthread writer([&data, end = std::move(pipe.write_end)] { write_all(end.get(), data, "a pipe"); });
  EXPECT_EQ(read_to_end(pipe.read_end.get(), 2 << 20, "a pipe"), data);
}

TEST(FdTest, ReadToEndRefusesMoreThanItsLimit) {
  Pipe pipe = make_pipe();
  write_all(pipe.write_end.get(), "12345", "a pipe");
  pipe.write_end.reset();
  EXPECT_EQ(code_thrown_by([&] { read_to_end(pipe.read_end.get(), 4, "a pipe"); }), Code::kInvalidArgument);
}

TEST(FdTest, ReadUpToComesUpShortOnlyAtTheEnd) {
  Pipe pipe = make_pipe();
  write_all(pipe.write_end.get(), "abcdef", "a pipe");
  pipe.write_end.reset();
  char buffer[4];
  EXPECT_EQ(read_up_to(pipe.read_end.get(), buffer, 4, "a pipe"), 4u);
  EXPECT_EQ(read_up_to(pipe.read_end.get(), buffer, 4, "a pipe"), 2u);
  EXPECT_EQ(read_up_to(pipe.read_end.get(), buffer, 4, "a pipe"), 0u);
}

TEST(FdTest, WritingToASocketWhosePeerIsGoneIsAnErrorAndNoSignal) {
  auto [ours, theirs] = make_socket_pair();
  theirs.reset();
  EXPECT_EQ(code_thrown_by([&, fd = ours.get()] { write_all(fd, "x", "a socket"); }), Code::kIo);
}

// With the signal's default action, which ends the program: this one is it when a test fails.
TEST(FdTest, WritingToAPipeThatNobodyReadsIsAnErrorAndNoSignal) {
  Pipe pipe = make_pipe();
  pipe.read_end.reset();
  EXPECT_EQ(code_thrown_by([&] { write_all(pipe.write_end.get(), "x", "a pipe"); }), Code::kIo);
  sigset_t pending, mask;
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  EXPECT_EQ(sigismember(&mask, SIGPIPE), 0);
}

TEST(FdTest, ASignalThatWasPendingBeforeStaysPending) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ::pthread_kill(::pthread_self(), SIGPIPE);
  Pipe pipe = make_pipe();
  pipe.read_end.reset();
  EXPECT_EQ(write_without_sigpipe(pipe.write_end.get(), "x"), -1);
  EXPECT_EQ(errno, EPIPE);
  ::sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 1);
  const timespec at_once = {};
  EXPECT_EQ(::sigtimedwait(&pipe_signal, nullptr, &at_once), SIGPIPE);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace knaller
