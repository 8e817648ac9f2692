#include "vm/snapshots/output_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace knaller::vm {
namespace {

// With SIGPIPE's default action, which ends the program: this one is it when the test fails.
TEST(OutputStreamTest, WhoeverStopsReadingIsAnErrorAndEndsNobody) {
  const auto write_to = [](int fd) { OutputStream(fd).write("x", Deadline::never()); };
  Pipe pipe = make_pipe();
  pipe.read_end.reset();
  EXPECT_EQ(code_thrown_by([&] { write_to(pipe.write_end.get()); }), Code::kIo);
  auto [ours, theirs] = make_socket_pair();
  theirs.reset();
  EXPECT_EQ(code_thrown_by([&, fd = ours.get()] { write_to(fd); }), Code::kIo);
}

TEST(OutputStreamTest, SoDoesOneThatStopsInTheMiddle) {
  Pipe pipe = make_pipe();
  OutputStream stream(pipe.write_end.get());
  stream.write("x", Deadline::never());
  pipe.read_end.reset();
  EXPECT_EQ(code_thrown_by([&] { stream.write("x", Deadline::never()); }), Code::kIo);
  EXPECT_EQ(stream.written(), 1u);
}

}  // namespace
}  // namespace knaller::vm
