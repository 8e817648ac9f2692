#include "firecracker/client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"
#include "base/test_folder.h"

namespace knaller::firecracker {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kShort{150};
constexpr milliseconds kLong{20'000};

// Writes what it can; a client that went away is no error.
bool put(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// False once the client has gone.
bool wait_for_hangup(int fd, int timeout) {
  pollfd polled{fd, POLLRDHUP, 0};
  return ::poll(&polled, 1, timeout) == 0;
}

void take_request(int fd) {
  std::string request;
  char buffer[4096];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count <= 0) return;
    request.append(buffer, static_cast<size_t>(count));
  }
}

std::string http(const std::string& body, const std::string& status = "200 ") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A peer that does with each connection what a test wants; the connection ends when it returns.
class Peer {
 public:
  explicit Peer(std::function<void(int)> behave) : behave_(std::move(behave)) {
    listener_ = listen_unix(folder_.fd(), "api.sock");
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  Client client() const { return Client(folder_.fd(), "api.sock"); }

 private:
  void serve() {
    while (true) {
      const UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) return;
      behave_(fd.get());
    }
  }

  std::function<void(int)> behave_;
  TestFolder folder_;
  UniqueFd listener_;
  std::thread thread_;
};

std::function<void(int)> answering(const std::string& bytes) {
  return [bytes](int fd) {
    take_request(fd);
    put(fd, bytes);
  };
}

struct Outcome {
  Code code;
  std::string what;
};

// describe() must throw an Error within the deadline; what it was.
Outcome describe_fails(const Peer& peer, milliseconds time) {
  const auto begin = Deadline::Clock::now();
  Outcome outcome{Code::kInternal, "no error"};
  try {
    peer.client().describe(Deadline::after(time));
  } catch (const Error& error) {
    outcome = {error.code(), error.what()};
  }
  // Two seconds for a machine that has other things to do.
  EXPECT_LT(Deadline::Clock::now() - begin, time + std::chrono::seconds(2));
  return outcome;
}

const std::string kGood =
    http(R"({"id":"x","state":"Running","vmm_version":"1.16.1","app_name":"Firecracker","more":[1]})");

TEST(Client, DescribesTheInstance) {
  const Peer peer(answering(kGood));
  const InstanceInfo info = peer.client().describe(Deadline::after(kLong));
  EXPECT_EQ(info.id, "x");
  EXPECT_EQ(info.state, "Running");
  EXPECT_EQ(info.version, (Version{1, 16, 1, {}}));
}

TEST(Client, ADifferentFormOfTheSameAnswerIsAsGood) {
  const std::string body = R"({"id":"x","state":"Paused","vmm_version":"1.7.0"})";
  for (const std::string& answer :
       {fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                    body.size(), body),
        "HTTP/1.0 200 OK\r\n\r\n" + body}) {
    const Peer peer(answering(answer));
    EXPECT_EQ(peer.client().describe(Deadline::after(kLong)).state, "Paused") << answer;
  }
}

TEST(Client, AnAnswerThatEndsEarlyIsADeadEngine) {
  for (size_t size = 0; size < kGood.size(); ++size) {
    const Peer peer(answering(kGood.substr(0, size)));
    EXPECT_EQ(describe_fails(peer, kLong).code, Code::kEngineDied) << size << " bytes";
  }
}

TEST(Client, APeerThatClosesAtOnceIsADeadEngine) {
  const Peer peer([](int) {});
  EXPECT_EQ(describe_fails(peer, kLong).code, Code::kEngineDied);
}

TEST(Client, SilenceIsATimeout) {
  const Peer peer([](int fd) { wait_for_hangup(fd, -1); });
  const Outcome outcome = describe_fails(peer, kShort);
  EXPECT_EQ(outcome.code, Code::kTimeout);
  EXPECT_THAT(outcome.what, HasSubstr("the engine's answer to GET /"));
}

TEST(Client, BytesThatTrickleInAreATimeout) {
  for (const std::string start :
       {"HTTP/1.1 200 \r\nX: ", "HTTP/1.1 200 \r\nContent-Length: 100000\r\n\r\n"}) {
    const Peer peer([&](int fd) {
      put(fd, start);
      while (wait_for_hangup(fd, 5) && put(fd, "x")) {
      }
    });
    EXPECT_EQ(describe_fails(peer, kShort).code, Code::kTimeout);
  }
}

TEST(Client, AFloodIsCutOff) {
  const std::string starts[] = {"HTTP/1.1 200 \r\n", "HTTP/1.1 200 \r\nX: ", "HTTP/1.1 200 \r\n\r\n",
                                "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"};
  const std::string floods[] = {"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", std::string(1000, 'y'),
                                std::string(1000, 'z'), "4\r\naaaa\r\n"};
  for (size_t i = 0; i < std::size(starts); ++i) {
    const Peer peer([&](int fd) {
      put(fd, starts[i]);
      while (put(fd, floods[i])) {
      }
    });
    const Outcome outcome = describe_fails(peer, kLong);
    EXPECT_EQ(outcome.code, Code::kEngineRefused) << starts[i];
    EXPECT_THAT(outcome.what, HasSubstr("too large")) << starts[i];
  }
}

TEST(Client, ADeclaredFloodIsNotWaitedFor) {
  const Peer peer([](int fd) {
    put(fd, "HTTP/1.1 200 \r\nContent-Length: 4294967296\r\n\r\n");
    wait_for_hangup(fd, -1);
  });
  EXPECT_THAT(describe_fails(peer, kLong).what, HasSubstr("too large"));
}

TEST(Client, WhatIsNotHttpIsRefused) {
  for (const std::string& answer : {
           std::string("SSH-2.0-OpenSSH_9.2\r\n"),
           std::string("\0\1\2\3\xff\xfe\r\n\r\n", 10),
           std::string("{\"id\":\"x\"}\r\n\r\n"),
           std::string("HTTP/9.9 200 \r\n\r\n"),
           std::string("HTTP/1.1 abc \r\n\r\n"),
           std::string("HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n"),
           std::string("HTTP/1.1 200 \r\nContent-Length: 99999999999999999999999\r\n\r\n"),
           std::string("HTTP/1.1 200 \r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
           std::string("HTTP/1.1 200 \r\nno colon\r\n\r\n"),
           std::string("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
           std::string("HTTP/1.1 100 Continue\r\n\r\n"),
           std::string("HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\n\r\n"),
       }) {
    const Peer peer(answering(answer));
    const Outcome outcome = describe_fails(peer, kLong);
    EXPECT_EQ(outcome.code, Code::kEngineRefused) << answer << ": " << outcome.what;
  }
}

TEST(Client, WhatIsNotTheRightJsonIsRefused) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string& body : {
           std::string(),
           std::string("hello"),
           std::string("null"),
           std::string("[]"),
           std::string("{}"),
           std::string("{\"id\":\"x\",\"state\":\"Running\""),
           std::string(R"({"id":3,"state":"Running","vmm_version":"1.16.1"})"),
           std::string(R"({"id":"x","state":["Running"],"vmm_version":"1.16.1"})"),
           std::string(R"({"id":"x","state":"Flying","vmm_version":"1.16.1"})"),
           std::string(R"({"id":"x","state":"Running","vmm_version":"new"})"),
           std::string(R"({"id":"x","state":"Running","vmm_version":null})"),
           std::string("{\"id\":\"\xff\xfe\",\"state\":\"Running\",\"vmm_version\":\"1.16.1\"}"),
           deep,
           "{\"id\":" + deep + "}",
       }) {
    const Peer peer(answering(http(body)));
    const Outcome outcome = describe_fails(peer, kLong);
    EXPECT_EQ(outcome.code, Code::kEngineRefused) << body.substr(0, 80) << ": " << outcome.what;
  }
}

TEST(Client, RefusalsCarryTheEnginesWords) {
  const struct {
    std::string body;
    std::string words;
  } cases[] = {
      {R"({"fault_message":"The requested operation is not supported."})",
       "The requested operation is not supported."},
      {"{ \"error\": \"Invalid request.\nAll dropped.\" }", "Invalid request."},
      {R"({"fault_message":"red \u001b[31m text"})", "red \\x1b[31m text"},
      {R"({"fault_message":17})", "{\"fault_message\":17}"},
      {"plain text", "plain text"},
      {"", "status 400 without a reason"},
      {"[]", "[]"},
  };
  for (const auto& [body, words] : cases) {
    const Peer peer(answering(http(body, "400 ")));
    const Outcome outcome = describe_fails(peer, kLong);
    EXPECT_EQ(outcome.code, Code::kEngineRefused);
    EXPECT_THAT(outcome.what, HasSubstr("the engine refused GET /: ")) << body;
    EXPECT_THAT(outcome.what, HasSubstr(words)) << body;
  }
}

TEST(Client, ALongReasonIsCut) {
  const Peer peer(answering(http(std::string(500'000, 'x'), "500 ")));
  EXPECT_LT(describe_fails(peer, kLong).what.size(), 3000U);
}

TEST(Client, APeerThatReadsNothingIsATimeout) {
  const Peer peer([](int fd) { wait_for_hangup(fd, -1); });
  const Request large{"PUT", "/x", std::string(4 << 20, 'x')};
  try {
    peer.client().send(large, Deadline::after(kShort));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kTimeout);
  }
}

TEST(Client, AnAnswerBeforeTheEndOfTheRequestIsTaken) {
  const Peer peer([](int fd) {
    take_request(fd);
    put(fd, http(R"({"fault_message":"too much"})", "400 "));
    ::shutdown(fd, SHUT_RD);
    wait_for_hangup(fd, -1);
  });
  const Request large{"PUT", "/x", std::string(4 << 20, 'x')};
  EXPECT_EQ(peer.client().send(large, Deadline::after(kLong)).status, 400);
}

TEST(Client, StopsWhenAsked) {
  std::stop_source stop;
  const Peer peer([&stop](int fd) {
    take_request(fd);
    stop.request_stop();
    wait_for_hangup(fd, -1);
  });
  try {
    peer.client().describe(Deadline::after(kLong, stop.get_token()));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCancelled);
  }
}

TEST(Client, SendsWhatItIsGiven) {
  std::string got;
  const Peer peer([&got](int fd) {
    char buffer[4096];
    while (got.find("{\"a\":1}") == std::string::npos) {
      const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      got.append(buffer, static_cast<size_t>(count));
    }
    put(fd, "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n");
    wait_for_hangup(fd, -1);
  });
  EXPECT_EQ(peer.client().apply({"PUT", "/x", "{\"a\":1}"}, Deadline::after(kLong)), "");
  EXPECT_EQ(
      got,
      "PUT /x HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
      "Content-Length: 7\r\n\r\n{\"a\":1}");
}

class NoPeer : public ::testing::Test {
 protected:
  Code describe_code(milliseconds time = kLong) {
    try {
      Client(folder_.fd(), "api.sock").describe(Deadline::after(time));
    } catch (const Error& error) {
      return error.code();
    }
    return Code::kInternal;
  }

  Code wait_code(milliseconds time, int pidfd = -1) {
    try {
      Client(folder_.fd(), "api.sock").wait_until_listening(Deadline::after(time), pidfd);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::kInternal;
  }

  TestFolder folder_;
};

TEST_F(NoPeer, AnAbsentSocketIsADeadEngine) {
  EXPECT_EQ(describe_code(), Code::kEngineDied);
}

TEST_F(NoPeer, ASocketThatNobodyServesIsADeadEngine) {
  listen_unix(folder_.fd(), "api.sock");
  EXPECT_EQ(describe_code(), Code::kEngineDied);
}

TEST_F(NoPeer, LinksAndFilesAreNoEngines) {
  const UniqueFd elsewhere = listen_unix(folder_.fd(), "real.sock");
  ASSERT_EQ(::symlinkat("real.sock", folder_.fd(), "api.sock"), 0);
  EXPECT_NE(describe_code(), Code::kInternal);
  ASSERT_EQ(::unlinkat(folder_.fd(), "api.sock", 0), 0);
  write_file_atomically(folder_.fd(), "api.sock", "hello");
  EXPECT_EQ(describe_code(), Code::kCorrupt);
}

TEST_F(NoPeer, WaitsUntilSomebodyListens) {
  EXPECT_EQ(wait_code(kShort), Code::kTimeout);
  UniqueFd listener;
  std::thread late([&] { listener = listen_unix(folder_.fd(), "api.sock"); });
  Client(folder_.fd(), "api.sock").wait_until_listening(Deadline::after(kLong));
  late.join();
}

TEST_F(NoPeer, WaitsNoLongerThanTheEngineLives) {
  SpawnOptions options;
  options.argv = {"true"};
  options.search_path = true;
  const Child engine = spawn(options);
  EXPECT_EQ(wait_code(kLong, engine.pidfd()), Code::kEngineDied);
}

}  // namespace
}  // namespace knaller::firecracker
