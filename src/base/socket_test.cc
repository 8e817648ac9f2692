#include "base/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/test_folder.h"

namespace knaller {
namespace {

using namespace std::chrono_literals;

TEST(UnixSocketTest, ConnectsInFoldersWithLongPaths) {
  TestFolder folder;
  const std::string deep = std::string(100, 'a') + "/" + std::string(100, 'b');
  make_directories(folder.path(deep));
  const UniqueFd dir = open_directory(folder.path(deep));
  const UniqueFd listener = listen_unix(dir.get(), "api.sock");
  EXPECT_EQ(stat_if_exists(dir.get(), "api.sock")->st_mode & 07777, 0600u);
  const UniqueFd client = connect_unix(folder.fd(), deep + "/api.sock", kSoon);
  const UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  send_all(client.get(), "hello\n", kSoon, "the server");
  std::string buffer, line;
  EXPECT_TRUE(read_line(server.get(), buffer, line, 100, kSoon, "the client"));
  EXPECT_EQ(line, "hello");
  EXPECT_EQ(::fcntl(client.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(UnixSocketTest, TellsAbsentFromDead) {
  TestFolder folder;
  const auto connect = [&] { connect_unix(folder.fd(), "s", kSoon); };
  EXPECT_EQ(code_thrown_by(connect), Code::kNotFound);
  listen_unix(folder.fd(), "s");
  EXPECT_EQ(code_thrown_by(connect), Code::kEngineDied);
  const UniqueFd listener = listen_unix(folder.fd(), "s");
  EXPECT_EQ(code_thrown_by(connect), std::nullopt) << "a left-over socket is replaced";
}

TEST(UnixSocketTest, FollowsNoLinkAndTakesOnlySockets) {
  TestFolder folder;
  make_directories(folder.path("sub"));
  const UniqueFd listener = listen_unix(folder.fd(), "s");
  ASSERT_EQ(::symlink("s", folder.path("link").c_str()), 0);
  ASSERT_EQ(::symlink("../s", folder.path("sub/link").c_str()), 0);
  write_file_atomically(folder.fd(), "file", "x");
  const UniqueFd sub = open_directory(folder.path("sub"));
  const auto code = [](int dir, const std::string& name) {
    return code_thrown_by([&] { connect_unix(dir, name, kSoon); });
  };
  EXPECT_EQ(code(folder.fd(), "s"), std::nullopt);
  EXPECT_EQ(code(folder.fd(), "link"), Code::kCorrupt);
  EXPECT_EQ(code(sub.get(), "link"), Code::kCorrupt);
  EXPECT_EQ(code(sub.get(), "../s"), Code::kCorrupt);
  EXPECT_EQ(code(folder.fd(), "file"), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { listen_unix(folder.fd(), "file"); }), Code::kAlreadyExists);
  EXPECT_EQ(code_thrown_by([&] { listen_unix(folder.fd(), std::string(120, 'x')); }), Code::kInvalidArgument);
}

TEST(UnixSocketTest, AFullBacklogIsWaitedForUntilTheDeadline) {
  TestFolder folder;
  const UniqueFd listener = listen_unix(folder.fd(), "s", 0);
  const UniqueFd first = connect_unix(folder.fd(), "s", kSoon);
  EXPECT_EQ(code_thrown_by([&] { connect_unix(folder.fd(), "s", Deadline::after(10ms)); }), Code::kTimeout);
  std::jthread server([&] { UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)); });
  EXPECT_EQ(code_thrown_by([&] { connect_unix(folder.fd(), "s", kSoon); }), std::nullopt);
}

// How often this thread has gone to sleep.
int64_t sleeps() {
  rusage usage = {};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST(UnixSocketTest, AFullBacklogIsWaitedForAsleepAndCanBeCancelled) {
  TestFolder folder;
  const UniqueFd listener = listen_unix(folder.fd(), "s", 0);
  const UniqueFd first = connect_unix(folder.fd(), "s", kSoon);
  const int64_t before = sleeps();
  EXPECT_EQ(code_thrown_by([&] { connect_unix(folder.fd(), "s", Deadline::after(500ms)); }), Code::kTimeout);
  EXPECT_LT(sleeps() - before, 50) << "it looks again and again";
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(20ms);
    source.request_stop();
  });
  const auto connect = [&] { connect_unix(folder.fd(), "s", Deadline::after(10min, source.get_token())); };
  EXPECT_EQ(code_thrown_by(connect), Code::kCancelled);
}

TEST(UnixSocketTest, ASocketThatHadToWaitSendsLikeAnyOther) {
  TestFolder folder;
  const UniqueFd listener = listen_unix(folder.fd(), "s", 0);
  const UniqueFd first = connect_unix(folder.fd(), "s", kSoon);
  std::jthread server([&] {
    std::this_thread::sleep_for(20ms);
    UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  });
  const UniqueFd second = connect_unix(folder.fd(), "s", kSoon);
  timeval limit = {};
  socklen_t size = sizeof limit;
  ASSERT_EQ(::getsockopt(second.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, &size), 0);
  EXPECT_TRUE(limit.tv_sec == 0 && limit.tv_usec == 0);
  EXPECT_EQ(::fcntl(second.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(TcpTest, ConnectsOrSaysWhyNot) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t port = ntohs(address.sin_port);
  // Bound but not listening: nobody else can get the port, and it refuses.
  EXPECT_EQ(code_thrown_by([&] { connect_tcp("127.0.0.1", port, kSoon); }), Code::kIo);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const UniqueFd client = connect_tcp("127.0.0.1", port, kSoon);
  const UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  send_all(server.get(), "x\n", kSoon, "the client");
  std::string buffer, line;
  EXPECT_TRUE(read_line(client.get(), buffer, line, 1, kSoon, "the server"));
  EXPECT_EQ(code_thrown_by([&] { connect_tcp("localhost", port, kSoon); }), Code::kInvalidArgument);
}

class LineTest : public testing::Test {
 protected:
  bool next(size_t limit = 100) {
    return read_line(ends_.first.get(), buffer_, line_, limit, kSoon, "the peer");
  }
  void peer_sends(std::string_view data) { send_all(ends_.second.get(), data, kSoon, "us"); }

  std::pair<UniqueFd, UniqueFd> ends_ = make_socket_pair();
  std::string buffer_;
  std::string line_;
};

TEST_F(LineTest, KeepsWhatFollowsALine) {
  peer_sends("one\n\nthree\n");
  ends_.second.reset();
  EXPECT_TRUE(next());
  EXPECT_EQ(line_, "one");
  EXPECT_TRUE(next());
  EXPECT_EQ(line_, "");
  EXPECT_TRUE(next());
  EXPECT_EQ(line_, "three");
  EXPECT_FALSE(next());
}

TEST_F(LineTest, LimitsLines) {
  peer_sends("12345\n123456\n");
  EXPECT_TRUE(next(5));
  EXPECT_EQ(code_thrown_by([&] { next(5); }), Code::kInvalidArgument);
  buffer_.clear();
  peer_sends("123456");  // no end in sight
  EXPECT_EQ(code_thrown_by([&] { next(5); }), Code::kInvalidArgument);
}

TEST_F(LineTest, AnEndInTheMiddleIsAnError) {
  peer_sends("half");
  ends_.second.reset();
  EXPECT_EQ(code_thrown_by([&] { next(); }), Code::kIo);
}

TEST_F(LineTest, KeepsItsDeadlineAndWhatCameBefore) {
  peer_sends("begin");
  const auto read_now = [&] {
    read_line(ends_.first.get(), buffer_, line_, 100, Deadline::after(1ms), "the peer");
  };
  EXPECT_EQ(code_thrown_by(read_now), Code::kTimeout);
  peer_sends(" end\n");
  EXPECT_TRUE(next());
  EXPECT_EQ(line_, "begin end");
}

TEST_F(LineTest, ReadsFromPipesToo) {
  Pipe pipe = make_pipe();
  write_all(pipe.write_end.get(), "line\n", "a pipe");
  EXPECT_TRUE(read_line(pipe.read_end.get(), buffer_, line_, 100, kSoon, "a pipe"));
  EXPECT_EQ(line_, "line");
}

TEST_F(LineTest, SendingKeepsItsDeadlineAndSurvivesAPeerThatIsGone) {
  const std::string much(16 << 20, 'x');
  EXPECT_EQ(code_thrown_by([&] { send_all(ends_.first.get(), much, Deadline::after(1ms), "the peer"); }),
            Code::kTimeout);
  ends_.second.reset();
  EXPECT_EQ(code_thrown_by([&] { send_all(ends_.first.get(), "x", kSoon, "the peer"); }), Code::kIo);
}

TEST_F(LineTest, ARequestMayBeAnsweredBeforeItIsRead) {
  peer_sends("no\n");
  ends_.second.reset();
  send_request(ends_.first.get(), "please\n", kSoon, "the peer");
  EXPECT_TRUE(next());
}

TEST_F(LineTest, ARequestThatWasNotSentIsNotWaitedFor) {
  ASSERT_EQ(::shutdown(ends_.first.get(), SHUT_WR), 0);
  EXPECT_EQ(code_thrown_by([&] { send_request(ends_.first.get(), "please\n", kSoon, "the peer"); }),
            Code::kIo);
}

TEST_F(LineTest, SendsMoreThanTheSocketHolds) {
  const std::string much(8 << 20, 'x');
  std::jthread sender([&] {
    send_all(ends_.first.get(), much, kSoon, "the peer");
    ends_.first.reset();
  });
  EXPECT_EQ(read_to_end(ends_.second.get(), 16 << 20, "the sender"), much);
}

}  // namespace
}  // namespace knaller
