// What an agent may say that a guest has taken over: it can hang, flood and lie, and hurts nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/file.h"
#include "base/socket.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "channel/flow.h"
#include "entry/exec.h"
#include "entry/test_lying_agent.h"

namespace knaller::entry {
namespace {

using channel::Channel;
using channel::Frame;
using channel::Kind;
using ::testing::HasSubstr;

std::string data(size_t size, Channel on = Channel::kOutput) {
  return bytes_of({.kind = Kind::kData, .channel = on, .stream = 1, .payload = std::string(size, 'x')});
}
// How an exec ends that gets this for an answer; then the agent is silent, or hangs up.
std::string outcome(const std::string& says, bool hangs_up = true) {
  LyingAgent agent(says, hangs_up);
  ExecOptions options;
  options.argv = {"true"};
  options.connect_timeout = std::chrono::milliseconds(hangs_up ? 20'000 : 50);
  return message_thrown_by([&] {
    Link link = agent.link();
    const ExecResult result = exec(link, options);
    throw Error(Code::kIo, fmt::format("exit code {}, signal {}", result.exit_code, result.signal));
  });
}

TEST(HostileAgent, MayEndOrBreakOffAtAnyTime) {
  const std::string whole = hello() + event({.started = 7}) + data(100) + end({.exit_code = 3});
  EXPECT_THAT(outcome(whole), HasSubstr("exit code 3"));
  for (size_t size = 0; size < whole.size(); size += 3)
    EXPECT_THAT(outcome(whole.substr(0, size)), HasSubstr("the connection")) << size;
}

TEST(HostileAgent, IsNotWaitedForWhenItSaysNothing) {
  EXPECT_THAT(outcome("", false), HasSubstr("did not start the command in time"));
  EXPECT_THAT(outcome(hello(), false), HasSubstr("did not start the command in time"));
}

TEST(HostileAgent, MayBeNoAgentAtAll) {
  EXPECT_THAT(outcome("SSH-2.0-OpenSSH_9.2p1\r\n"), HasSubstr("does not speak knaller's protocol"));
  EXPECT_THAT(outcome(std::string(64, '\0')), HasSubstr("does not speak knaller's protocol"));
  EXPECT_THAT(outcome(end({.exit_code = 0})), HasSubstr("does not speak knaller's protocol"))
      << "no greeting";
}

TEST(HostileAgent, MayBeOfANewerKnaller) {
  EXPECT_THAT(outcome(hello({.newest = 9, .oldest = 8})), HasSubstr("of a newer knaller"));
  EXPECT_THAT(outcome(hello({.newest = 9, .oldest = 1}) + end({.exit_code = 0})), HasSubstr("exit code 0"));
}

TEST(HostileAgent, SendsNoMoreThanItMay) {
  std::string much = hello() + event({.started = 7});
  for (uint64_t sent = 0; sent <= 2 * channel::kWindow; sent += channel::kMostPayload)
    much += data(channel::kMostPayload, Channel::kError);
  auto [ours, theirs] = make_socket_pair();
  Pipe full = make_pipe();  // nobody reads it, so no more is used up than it holds
  std::jthread agent([&much, socket = theirs.get()] {
    try {
      send_all(socket, much, kSoon, "knaller");
    } catch (const Error&) {
    }
  });
  ExecOptions options;
  options.argv = {"true"};
  options.stderr_fd = full.write_end.get();
  Link link({std::move(ours), {}}, "uuid");
  EXPECT_THAT(message_thrown_by([&] { exec(link, options); }), HasSubstr("sent more than it may"));
  ::shutdown(theirs.get(), SHUT_RDWR);  // closed once nobody uses it
}

// The socket of an engine that was killed stays silent.
TEST(HostileAgent, EndsWithItsEngineAndWhatItHadSaidIsDelivered) {
  auto [ours, theirs] = make_socket_pair();
  Pipe engine = make_pipe(), out = make_pipe();
  send_all(theirs.get(), hello() + event({.started = 7}) + data(1000), kSoon, "knaller");
  engine.write_end.reset();
  ExecOptions options;
  options.argv = {"true"};
  options.stdout_fd = out.write_end.get();
  Link link({std::move(ours), std::move(engine.read_end)}, "uuid");
  EXPECT_THAT(message_thrown_by([&] { exec(link, options); }), HasSubstr("the VM has ended"));
  out.write_end.reset();
  EXPECT_EQ(read_to_end(out.read_end.get(), 4096, "the output"), std::string(1000, 'x'));
}

TEST(HostileAgent, SaysNoNonsense) {
  const std::string started = hello() + event({.started = 7});
  EXPECT_THAT(outcome(started + bytes_of({.kind = Kind::kEnd, .stream = 1, .payload = ""})),
              HasSubstr("means nothing"));
  EXPECT_THAT(outcome(started + bytes_of({.kind = Kind::kEvent, .stream = 1, .payload = "x"})),
              HasSubstr("means nothing"));
  EXPECT_THAT(outcome(started + bytes_of({.kind = Kind::kCredit,
                                          .channel = Channel::kInput,
                                          .stream = 1,
                                          .payload = channel::encode_position(UINT64_MAX)})),
              HasSubstr("takes what was not sent"));
}

// Of streams that knaller did not open, and of channels that a program does not have.
TEST(HostileAgent, IsNotHeardWhereNobodyAsked) {
  std::string other =
      bytes_of({.kind = Kind::kData, .channel = Channel::kOutput, .stream = 2, .payload = "x"});
  other +=
      bytes_of({.kind = Kind::kEnd, .stream = 9, .payload = channel::encode(channel::End{.exit_code = 1})});
  other += bytes_of({.kind = Kind::kData, .channel = Channel::kInput, .stream = 1, .payload = "x"});
  other += bytes_of({.kind = Kind::kOpen, .stream = 1, .payload = "x"});
  EXPECT_THAT(outcome(hello() + other + end({.exit_code = 4})), HasSubstr("exit code 4"));
}

TEST(HostileAgent, DoesNotWriteToTheTerminal) {
  const std::string error = outcome(hello() + end({.error = 2, .reason = "enter '\033[31m\x9b'"}));
  EXPECT_EQ(error.find('\033'), std::string::npos);
  EXPECT_EQ(printable(error), error);
  EXPECT_THAT(outcome(hello() + end({.exit_code = 256 + 7})), HasSubstr("exit code 7"));
}

}  // namespace
}  // namespace knaller::entry
