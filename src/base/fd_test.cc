#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
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

}  // namespace
}  // namespace knaller
