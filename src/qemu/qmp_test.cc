// The client against a scripted peer on a real socket.
#include "qemu/qmp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "base/json.h"

namespace knaller::qemu {
namespace {

const std::string kGreeting =
    R"({"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}})"
    "\r\n"
    R"({"return": {}})"
    "\r\n";

Deadline soon() {
  return Deadline::after(std::chrono::seconds(20));
}

// Everything that the peer will ever say lies in the socket's buffer already.
struct Conversation {
  explicit Conversation(const std::string& said, bool ends = false) {
    auto [ours, theirs] = make_socket_pair();
    peer = std::move(theirs);
    write_all(peer.get(), said, "test");
    if (ends) ::shutdown(peer.get(), SHUT_WR);
    qmp.emplace(std::move(ours));
  }
  UniqueFd peer;
  std::optional<Qmp> qmp;
};

template <typename Body>
Code code_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::kInternal;
}

TEST(Qmp, ReadsTheVersion) {
  Conversation talk(kGreeting);
  talk.qmp->greet(soon());
  EXPECT_EQ(talk.qmp->version(), "7.2.22");
}

TEST(Qmp, ReturnsWhatQemuReturnsAndPassesOverEvents) {
  Conversation talk(kGreeting + R"({"event": "STOP", "timestamp": {}})" + "\n" +
                    R"({"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}})" + "\n" +
                    R"({"return": {"status": "paused"}})" + "\n");
  talk.qmp->greet(soon());
  EXPECT_EQ(talk.qmp->execute("query-status", Json::object(), soon())["status"], "paused");
  EXPECT_EQ(talk.qmp->shutdown_reason(), "guest-reset");
}

TEST(Qmp, RefusalsCarryQemusWords) {
  Conversation talk(kGreeting + R"({"error": {"class": "GenericError", "desc": "Device 'x' not found"}})" +
                    "\n");
  talk.qmp->greet(soon());
  try {
    talk.qmp->execute("device_del", {{"id", "x"}}, soon());
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kEngineRefused);
    EXPECT_EQ(error.message(), "QEMU refused 'device_del': Device 'x' not found");
  }
}

TEST(Qmp, WaitsForTheEndOfAMigration) {
  Conversation talk(kGreeting + R"({"return": {}})" + "\n" +
                    R"({"event": "MIGRATION", "data": {"status": "active"}})" + "\n" +
                    R"({"event": "MIGRATION", "data": {"status": "completed"}})" + "\n");
  talk.qmp->greet(soon());
  talk.qmp->execute("migrate", {{"uri", "fd:x"}}, soon());
  talk.qmp->await_migration(soon());
}

TEST(Qmp, SeesAMigrationFail) {
  Conversation talk(kGreeting + R"({"return": {}})" + "\n" +
                    R"({"event": "MIGRATION", "data": {"status": "failed"}})" + "\n");
  talk.qmp->greet(soon());
  talk.qmp->execute("migrate", {{"uri", "fd:x"}}, soon());
  EXPECT_EQ(code_of([&] { talk.qmp->await_migration(soon()); }), Code::kEngineRefused);
}

TEST(Qmp, AnEndOrNonsenseIsADeadEngine) {
  for (const std::string& said :
       {std::string(), std::string("hello\n"), std::string("{}\n"), std::string("[1]\n"),
        std::string(R"({"QMP": {"version": {"qemu": {"major": "x"}}}})") + "\n"}) {
    Conversation talk(said, true);
    EXPECT_EQ(code_of([&] { talk.qmp->greet(soon()); }), Code::kEngineDied) << said;
  }
}

TEST(Qmp, ASilentQemuTimesOut) {
  Conversation talk("");
  EXPECT_EQ(code_of([&] { talk.qmp->greet(Deadline::after(std::chrono::milliseconds(20))); }),
            Code::kTimeout);
}

TEST(Qmp, PassesADescriptorWithTheCommand) {
  Conversation talk(kGreeting + R"({"return": {}})" + "\n");
  talk.qmp->greet(soon());
  Pipe pipe = make_pipe();
  talk.qmp->execute("getfd", {{"fdname", "x"}}, soon(), pipe.write_end.get());

  std::string received;
  UniqueFd passed;
  while (received.find("getfd") == std::string::npos || received.back() != '}') {
    char buffer[512];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec data = {buffer, sizeof buffer};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(talk.peer.get(), &message, MSG_CMSG_CLOEXEC);
    ASSERT_GT(size, 0);
    received.append(buffer, static_cast<size_t>(size));
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      passed.reset(fd);
    }
  }
  ASSERT_TRUE(passed);
  write_all(passed.get(), "!", "test");
  char byte = 0;
  EXPECT_EQ(::read(pipe.read_end.get(), &byte, 1), 1);
  EXPECT_EQ(byte, '!');
}

TEST(Qmp, DrainTellsTheEnd) {
  Conversation open(kGreeting + R"({"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}})" + "\n");
  open.qmp->greet(soon());
  EXPECT_TRUE(open.qmp->drain());
  EXPECT_EQ(open.qmp->shutdown_reason(), "guest-shutdown");
  Conversation ended(kGreeting, true);
  ended.qmp->greet(soon());
  EXPECT_FALSE(ended.qmp->drain());
}

}  // namespace
}  // namespace knaller::qemu
