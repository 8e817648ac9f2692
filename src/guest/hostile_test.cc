// SSH servers that lie, stall, flood and break off. Session::connect must end with an error, by its deadline,
// whatever they do.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "guest/keys.h"
#include "guest/session.h"
#include "guest/test_server.h"

namespace knaller::guest {
namespace {

using namespace std::chrono_literals;

// An address at `port` whose key and known_hosts lie in `folder`.
Address address_at(uint16_t port, const TestFolder& folder) {
  write_file_atomically(folder.fd(), "key", make_ed25519_key("x").private_key, Durability::kNoSync);
  return {.host = "127.0.0.1",
          .port = port,
          .user = "root",
          .key_file = folder.path("key"),
          .known_hosts_file = folder.path("known_hosts"),
          .host_alias = "guest"};
}

void say(const UniqueFd& connection, std::string_view text) {
  ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

TEST(HostilePeer, SaysNothing) {
  std::vector<UniqueFd> kept;
  Listener silent([&](UniqueFd connection) { kept.push_back(std::move(connection)); });
  const TestFolder folder;
  const auto address = address_at(silent.port(), folder);
  EXPECT_EQ(code_thrown_by([&] { Session::connect(address, Deadline::after(200ms)); }), Code::kTimeout);
  std::stop_source stop;
  std::jthread stopper([&] {
    pause_for(50ms, Deadline::never());
    stop.request_stop();
  });
  EXPECT_EQ(code_thrown_by([&] { Session::connect(address, Deadline::never(stop.get_token())); }),
            Code::kCancelled);
  EXPECT_FALSE(exists(address.known_hosts_file));
}

TEST(HostilePeer, SaysSomethingElse) {
  for (const std::string& text :
       {std::string(), std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("SSH-2.0-"),
        std::string("SSH-1.5-old\r\n"), "SSH-2.0-x\r\n" + std::string(100, '\xff'),
        "SSH-2.0-x\r\n" + std::string(100'000, '\0'), std::string(70'000, 'x'),
        "SSH-2.0-" + std::string(10'000, 'y') + "\r\n",
        std::string("SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14garbage", 24)}) {
    Listener liar([&](const UniqueFd& connection) { say(connection, text); });
    const TestFolder folder;
    EXPECT_EQ(
        code_thrown_by([&] { Session::connect(address_at(liar.port(), folder), Deadline::after(20s)); }),
        Code::kIo)
        << text.substr(0, 30);
  }
}

TEST(HostilePeer, FloodsWithoutEnd) {
  // Lines before the banner; then packets that are to be passed over (SSH_MSG_IGNORE).
  const std::string ignored("\0\0\0\x0c\x0a\x02\0\0\0\0\0\0\0\0\0\0", 16);
  for (const std::string& text : {std::string("noise\r\n"), ignored}) {
    Listener flood([&](const UniqueFd& connection) {
      std::string much = text == ignored ? "SSH-2.0-x\r\n" : "";
      for (int i = 0; i < 2000; ++i) much += text;
      while (::send(connection.get(), much.data(), much.size(), MSG_NOSIGNAL) >= 0)
        much = much.substr(much.size() % text.size());
    });
    const TestFolder folder;
    const auto code =
        code_thrown_by([&] { Session::connect(address_at(flood.port(), folder), Deadline::after(500ms)); });
    EXPECT_TRUE(code == Code::kTimeout || code == Code::kIo);
  }
}

TEST(HostilePeer, RefusesConnections) {
  uint16_t port = 0;
  {
    Listener gone([](const UniqueFd&) {});
    port = gone.port();
  }
  const TestFolder folder;
  EXPECT_EQ(code_thrown_by([&] { Session::connect(address_at(port, folder), Deadline::after(20s)); }),
            Code::kIo);
  auto address = address_at(port, folder);
  for (const char* alias : {"", "a b", "a,b", "x\ny", "#x"}) {
    address.host_alias = alias;
    EXPECT_EQ(code_thrown_by([&] { Session::connect(address, Deadline::after(20s)); }),
              Code::kInvalidArgument)
        << alias;
  }
}

// --- a real server behind a relay that breaks off ---

class BrokenRelay {
 public:
  enum class Then { kClose, kStall, kDamage };

  BrokenRelay(uint16_t server, Then then, size_t after)
      : server_(server),
        then_(then),
        after_(after),
        listener_([this](const UniqueFd& client) { relay(client); }) {}
  uint16_t port() const { return listener_.port(); }

 private:
  void relay(const UniqueFd& client) {
    const UniqueFd server = connect_tcp("127.0.0.1", server_, Deadline::after(20s));
    size_t passed = 0;
    while (true) {
      pollfd entries[2] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
      if (::poll(entries, 2, 20'000) <= 0) return;
      if (entries[0].revents != 0 && !pass(client, server, nullptr)) return;
      if (entries[1].revents != 0 && !pass(server, client, &passed)) return;
      if (passed >= after_ && then_ == Then::kClose) return;
    }
  }

  // False at the end of the connection.
  bool pass(const UniqueFd& from, const UniqueFd& to, size_t* passed) const {
    char buffer[4096];
    size_t room = sizeof buffer;
    if (passed != nullptr && *passed < after_) room = std::min(room, after_ - *passed);
    const ssize_t got = ::recv(from.get(), buffer, room, 0);
    if (got <= 0) return false;
    const auto size = static_cast<size_t>(got);
    if (passed != nullptr) {
      if (*passed >= after_ && then_ == Then::kStall) return true;
      if (*passed >= after_ && then_ == Then::kDamage)
        buffer[size / 2] = static_cast<char>(buffer[size / 2] ^ 0x55);
      *passed += size;
    }
    return ::send(to.get(), buffer, size, MSG_NOSIGNAL) == got;
  }

  uint16_t server_;
  Then then_;
  size_t after_;
  Listener listener_;
};

class BrokenConnection : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_server(GetParam()); !why.empty()) GTEST_SKIP() << why;
    server_.emplace(GetParam());
  }
  // What became of one command through a relay that breaks after `bytes`.
  std::optional<Code> run_through(BrokenRelay::Then then, size_t bytes, std::chrono::milliseconds time) {
    const BrokenRelay relay(server_->address().port, then, bytes);
    auto address = server_->address();
    address.port = relay.port();
    const auto deadline = Deadline::after(time);
    return code_thrown_by([&] { Session::connect(address, deadline).run({"echo", "hello"}, "", deadline); });
  }

  std::optional<TestServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Servers, BrokenConnection,
                         testing::Values(ServerKind::kOpenSsh, ServerKind::kDropbear), [](const auto& kind) {
                           return kind.param == ServerKind::kOpenSsh ? "OpenSsh" : "Dropbear";
                         });

TEST_P(BrokenConnection, ThatClosesAtAnyByteIsAnError) {
  size_t bytes = 1;
  while (true) {
    const auto code = run_through(BrokenRelay::Then::kClose, bytes, 20s);
    if (!code) break;
    ASSERT_EQ(*code, Code::kIo) << "after " << bytes;
    bytes += 61;
  }
  EXPECT_GT(bytes, 1000u);
}

TEST_P(BrokenConnection, ThatStallsEndsAtTheDeadline) {
  for (const size_t bytes : {10u, 300u, 700u, 1000u})
    EXPECT_EQ(run_through(BrokenRelay::Then::kStall, bytes, 400ms), Code::kTimeout) << "after " << bytes;
}

TEST_P(BrokenConnection, ThatIsDamagedIsAnError) {
  for (const size_t bytes : {30u, 200u, 700u, 1000u}) {
    const auto code = run_through(BrokenRelay::Then::kDamage, bytes, 3s);
    // A damaged host key is another host key.
    EXPECT_TRUE(code == Code::kIo || code == Code::kTimeout || code == Code::kPermission)
        << "after " << bytes;
  }
}

}  // namespace
}  // namespace knaller::guest
