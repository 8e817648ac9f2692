#include "firecracker/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ctime>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/socket.h"
#include "base/test_folder.h"
#include "firecracker/client.h"

namespace knaller::firecracker {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(20));
}

// Serves in a thread of its own: echoes what it was asked, unless a test puts in another handler.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : listener_(listen_unix(folder_.fd(), "api.sock")) {}
  ~ServerTest() override {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  void start(Handler handler, std::vector<Watch> watches = {}) {
    thread_ = std::thread([this, handler = std::move(handler), watches = std::move(watches)] {
      serve(listener_.get(), handler, stop_.get_token(), watches);
    });
  }
  void start_echo() {
    start([](const HttpRequest& request) {
      return HttpResponse{200, request.method + "|" + request.target + "|" + request.body};
    });
  }

  UniqueFd connect() { return connect_unix(folder_.fd(), "api.sock", soon()); }
  // Sends, closes the sending side, and returns everything that is answered.
  std::string exchange(const std::string& sent) {
    const UniqueFd fd = connect();
    send_all(fd.get(), sent, soon(), "server");
    ::shutdown(fd.get(), SHUT_WR);
    return read_to_end(fd.get(), 1 << 20, "answer");
  }

  TestFolder folder_;
  UniqueFd listener_;
  std::stop_source stop_;
  std::thread thread_;
};

TEST_F(ServerTest, AnswersInFirecrackersForm) {
  start_echo();
  EXPECT_EQ(exchange("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"),
            "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
            "Content-Type: application/json\r\nContent-Length: 13\r\n\r\nGET|/version|");
}

TEST_F(ServerTest, AnswersWithoutBodyWhenThereIsNone) {
  start([](const HttpRequest&) { return HttpResponse{}; });
  EXPECT_EQ(exchange("PUT /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"),
            "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n");
}

TEST_F(ServerTest, AnswersSeveralRequestsOfOneConnectionInOrder) {
  start_echo();
  const std::string answers = exchange(
      "GET /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPATCH /c HTTP/1.1\r\n\r\n"
      "DELETE http://localhost/d HTTP/1.1\r\n\r\n");
  EXPECT_THAT(answers,
              ::testing::ContainsRegex("GET.\\/a.HTTP(.|\n)*PUT.\\/b.abcHTTP(.|\n)*PATCH.\\/c.HTTP"));
  EXPECT_THAT(answers, EndsWith("DELETE|/d|"));
}

TEST_F(ServerTest, TakesRequestsThatComeByteByByte) {
  start_echo();
  const UniqueFd fd = connect();
  const std::string request = "PUT /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
  for (const char c : request) send_all(fd.get(), std::string(1, c), soon(), "server");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_THAT(read_to_end(fd.get(), 1 << 20, "answer"), EndsWith("PUT|/b|abc"));
}

TEST_F(ServerTest, RefusesWhatIsNoProperRequestAndGoesOn) {
  start_echo();
  const struct {
    std::string sent;
    std::string said;
  } cases[] = {
      {"hello world\r\n\r\n", "{ \"error\": \"Invalid request.\n"},
      {std::string("\0\1\2\r\n\r\n", 7), "Invalid request."},
      {"POST /actions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
       "Invalid HTTP Method: Unsupported HTTP method.\n"},
      {"get / HTTP/1.1\r\n\r\n", "Unsupported HTTP method."},
      {"GET / HTTP/2.0\r\n\r\n", "Invalid HTTP Version: Unsupported HTTP version.\n"},
      {"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "Invalid request."},
      {"PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "Invalid request."},
      {"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Invalid request."},
      {"GET / HTTP/1.1\r\nX: " + std::string(20000, 'y') + "\r\n\r\n", "Invalid request."},
  };
  for (const auto& [sent, said] : cases) {
    const std::string answer = exchange(sent);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 \r\n")) << sent.substr(0, 40);
    EXPECT_THAT(answer, HasSubstr(said)) << sent.substr(0, 40);
    EXPECT_THAT(answer, HasSubstr("All previous unanswered requests will be dropped.")) << sent.substr(0, 40);
  }
  EXPECT_THAT(exchange("GET /still HTTP/1.1\r\n\r\n"), EndsWith("GET|/still|"));
}

TEST_F(ServerTest, SkipsBodiesThatAreTooLarge) {
  start_echo();
  const std::string answers = exchange("PUT /x HTTP/1.1\r\nContent-Length: 51201\r\n\r\n" +
                                       std::string(51201, 'x') + "GET /next HTTP/1.1\r\n\r\n");
  EXPECT_THAT(
      answers,
      HasSubstr("Request payload with size 51201 is larger than the limit of 51200 allowed by server."));
  EXPECT_THAT(answers, EndsWith("GET|/next|"));
  EXPECT_THAT(exchange("PUT /x HTTP/1.1\r\nContent-Length: 51200\r\n\r\n" + std::string(51200, 'x')),
              EndsWith("xxx"));
}

TEST_F(ServerTest, TellsClientsToContinue) {
  start_echo();
  const UniqueFd fd = connect();
  send_all(fd.get(), "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", soon(),
           "server");
  char first[13] = {};
  ASSERT_EQ(read_up_to(fd.get(), first, 12, "answer"), 12U);
  EXPECT_STREQ(first, "HTTP/1.1 100");
  send_all(fd.get(), "{}", soon(), "server");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_THAT(read_to_end(fd.get(), 1 << 20, "answer"), EndsWith("PUT|/x|{}"));
}

TEST_F(ServerTest, ASilentClientDelaysNobody) {
  start_echo();
  const UniqueFd silent = connect();
  const UniqueFd half = connect();
  send_all(half.get(), "GET / HT", soon(), "server");
  const Client client(folder_.fd(), "api.sock");
  EXPECT_EQ(client.send({"GET", "/x", ""}, soon()).body, "GET|/x|");
}

TEST_F(ServerTest, AClientThatReadsNothingDelaysNobody) {
  start([](const HttpRequest&) { return HttpResponse{200, std::string(1 << 20, 'x')}; });
  const UniqueFd deaf = connect();
  for (int i = 0; i < 5; ++i) send_all(deaf.get(), "GET / HTTP/1.1\r\n\r\n", soon(), "server");
  const Client client(folder_.fd(), "api.sock");
  EXPECT_EQ(client.send({"GET", "/x", ""}, soon()).body.size(), 1U << 20);
}

TEST_F(ServerTest, HasRoomForTenClients) {
  start_echo();
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 10; ++i) {
    idle.push_back(connect());
    send_all(idle.back().get(), "GET / HTTP/1.1\r\n\r\n", soon(), "server");
    char answer = 0;
    ASSERT_EQ(read_up_to(idle.back().get(), &answer, 1, "answer"), 1U);
  }
  // In Firecracker's own words.
  EXPECT_EQ(read_to_end(connect().get(), 1 << 20, "answer"),
            "HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\nContent-Length: 40\r\n\r\n"
            "{ \"error\": \"Too many open connections\" }");
  const Client client(folder_.fd(), "api.sock");
  idle.pop_back();
  // The server looks at its clients before it accepts new ones.
  EXPECT_EQ(client.send({"GET", "/x", ""}, soon()).body, "GET|/x|");
}

// This process gets no descriptor more, for as long as this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd next(::dup(STDOUT_FILENO));
    const rlimit none = {static_cast<rlim_t>(next.get()), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(ServerTest, ServesOnWithoutADescriptorForANewClient) {
  start_echo();
  EXPECT_THAT(exchange("GET /a HTTP/1.1\r\n\r\n"), EndsWith("GET|/a|"));
  const UniqueFd waiting(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name = {AF_UNIX, {}};
  folder_.path("api.sock").copy(name.sun_path, sizeof name.sun_path - 1);
  {
    const NoDescriptors none;
    ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    timespec before{}, after{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    EXPECT_LT((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1'000'000, 50);
  }
  send_all(waiting.get(), "GET /b HTTP/1.1\r\n\r\n", soon(), "server");
  ::shutdown(waiting.get(), SHUT_WR);
  EXPECT_THAT(read_to_end(waiting.get(), 1 << 20, "answer"), EndsWith("GET|/b|"));
}

// Requests with a few bytes changed, by a generator that gives the same ones every time.
TEST_F(ServerTest, NoInputStopsIt) {
  start_echo();
  std::mt19937 random(1);
  const std::string good =
      "PUT /drives/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcGET / "
      "HTTP/1.1\r\n\r\n";
  for (int i = 0; i < 1000; ++i) {
    std::string sent = good;
    for (auto changes = random() % 4; changes > 0; --changes)
      sent[random() % sent.size()] =
          random() % 2 == 0 ? static_cast<char>(random()) : good[random() % good.size()];
    const std::string answer = exchange(sent.substr(0, 1 + random() % sent.size()));
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << sent;
  }
  EXPECT_THAT(exchange("GET /still HTTP/1.1\r\n\r\n"), EndsWith("GET|/still|"));
}

TEST_F(ServerTest, EndsAfterTheLastAnswer) {
  start([](const HttpRequest&) {
    HttpResponse response = fault_response("no\xff way");
    response.last = true;
    return response;
  });
  EXPECT_THAT(exchange("GET /x HTTP/1.1\r\n\r\n"), EndsWith("{\"fault_message\":\"no\xef\xbf\xbd way\"}"));
  thread_.join();
}

TEST_F(ServerTest, SendsRawBytesAndCloses) {
  start([](const HttpRequest&) { return HttpResponse{200, "", false, HttpResponse::Raw{"HTTP/1.1 2"}}; });
  const UniqueFd fd = connect();
  send_all(fd.get(), "GET / HTTP/1.1\r\n\r\n", soon(), "server");
  EXPECT_EQ(read_to_end(fd.get(), 1 << 20, "answer"), "HTTP/1.1 2");
}

TEST_F(ServerTest, WatchesOtherDescriptors) {
  const Pipe pipe = make_pipe();
  start([](const HttpRequest&) { return HttpResponse{}; }, {{pipe.read_end.get(), [] { return false; }}});
  write_all(pipe.write_end.get(), "x", "pipe");
  thread_.join();
}

TEST_F(ServerTest, StopsWhileItWaits) {
  start_echo();
  const UniqueFd idle = connect();
  stop_.request_stop();
  thread_.join();
}

}  // namespace
}  // namespace knaller::firecracker
