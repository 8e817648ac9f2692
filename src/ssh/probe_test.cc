#include "ssh/probe.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/socket.h"
#include "base/test_folder.h"

namespace knaller::ssh {
namespace {

using namespace std::chrono_literals;

// Accepts connections on a free port of 127.0.0.1 and gives each to `serve`, on a thread of its own.
class Listener {
 public:
  explicit Listener(std::function<void(UniqueFd)> serve)
      : serve_(std::move(serve)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_.get(), 64), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
  }
  uint16_t port() const { return port_; }

 private:
  void accept_all(const std::stop_token& stop) {
    try {
      while (true) {
        poll_until(socket_.get(), POLLIN, Deadline::never(stop));
        UniqueFd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        // As servers set it on what they accept themselves.
        const int on = 1;
        ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connection) serve_(std::move(connection));
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCancelled) << error.what();
    }
  }

  std::function<void(UniqueFd)> serve_;
  UniqueFd socket_;
  uint16_t port_ = 0;
  std::jthread thread_;
};

// The message of the kTimeout that a probe of `port` ends with.
std::string timeout_message(uint16_t port, std::chrono::milliseconds time = 800ms) {
  try {
    probe("127.0.0.1", port, Deadline::after(time));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kTimeout);
    return error.message();
  }
  ADD_FAILURE() << "the probe found an SSH server";
  return {};
}

void say(const UniqueFd& connection, std::string_view text) {
  ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

std::string read_line_of(const UniqueFd& connection) {
  std::string line;
  char c = 0;
  while (line.size() < 100 && ::recv(connection.get(), &c, 1, 0) == 1 && c != '\n') line += c;
  return line;
}

// Reads until the other side has gone.
void drain(const UniqueFd& connection) {
  char buffer[4096];
  while (::recv(connection.get(), buffer, sizeof buffer, 0) > 0) {
  }
}

TEST(Probe, SpeaksFirst) {
  std::string heard;
  Listener listener([&](const UniqueFd& connection) {
    heard = read_line_of(connection);
    say(connection, "SSH-2.0-test\r\n");
  });
  probe("127.0.0.1", listener.port(), Deadline::after(20s));
  EXPECT_EQ(heard, "SSH-2.0-knaller\r");
}

TEST(Probe, FindsABannerAfterOtherLinesAndByteByByte) {
  Listener listener([](const UniqueFd& connection) {
    for (const char c : std::string_view("welcome\r\nSSH-2.0-x\r\n")) say(connection, {&c, 1});
  });
  probe("127.0.0.1", listener.port(), Deadline::after(20s));
}

TEST(Probe, RetriesUntilTheServerIsThere) {
  std::atomic<int> connections = 0;
  Listener listener([&](const UniqueFd& connection) {
    if (++connections > 5) say(connection, "SSH-2.0-x\r\n");
  });
  probe("127.0.0.1", listener.port(), Deadline::after(20s));
  EXPECT_GE(connections, 6);
}

TEST(Probe, KeepsASlowConnectionBesideNewOnes) {
  // The first connection answers when the second has come; the second never does.
  std::vector<UniqueFd> kept;
  Listener listener([&](UniqueFd connection) {
    kept.push_back(std::move(connection));
    if (kept.size() == 2) say(kept.front(), "SSH-2.0-slow\r\n");
  });
  probe("127.0.0.1", listener.port(), Deadline::after(20s));
}

TEST(Probe, SaysWhatItSawInstead) {
  {
    std::vector<UniqueFd> kept;
    Listener silent([&](UniqueFd connection) { kept.push_back(std::move(connection)); });
    EXPECT_NE(timeout_message(silent.port()).find("stays silent"), std::string::npos);
  }
  {
    Listener closing([](const UniqueFd&) {});
    EXPECT_NE(timeout_message(closing.port()).find("closed without an answer"), std::string::npos);
  }
  {
    Listener web([](const UniqueFd& connection) { say(connection, "HTTP/1.1 400 \x1b[31mBad\r\n\r\n"); });
    EXPECT_NE(timeout_message(web.port()).find("no SSH server: 'HTTP/1.1 400 \\x1b[31mBad"),
              std::string::npos);
  }
  uint16_t port = 0;
  {
    Listener gone([](const UniqueFd&) {});
    port = gone.port();
  }
  EXPECT_NE(timeout_message(port).find("nothing listens"), std::string::npos);
}

TEST(Probe, IsNotFloodedNorFooledByHalfABanner) {
  Listener flood([](const UniqueFd& connection) {
    const std::string junk(65536, 'x');
    for (int i = 0; i < 1000; ++i)
      if (::send(connection.get(), junk.data(), junk.size(), MSG_NOSIGNAL) < 0) return;
  });
  EXPECT_NE(timeout_message(flood.port()).find("no SSH server"), std::string::npos);
  Listener half([](const UniqueFd& connection) { say(connection, "SSH-2.0-x"); });
  EXPECT_NE(timeout_message(half.port()).find("no SSH server"), std::string::npos);
}

TEST(Probe, EndsWhenTheEngineDiesOrTheCallerStops) {
  Listener silent([](const UniqueFd& connection) { drain(connection); });
  int calls = 0;
  const auto check = [&] {
    if (++calls == 3) fail(Code::kEngineDied, "the engine ended");
  };
  EXPECT_EQ(code_thrown_by([&] { probe("127.0.0.1", silent.port(), Deadline::after(20s), check); }),
            Code::kEngineDied);
  std::stop_source stop;
  const auto stop_it = [&] { stop.request_stop(); };
  EXPECT_EQ(code_thrown_by(
                [&] { probe("127.0.0.1", silent.port(), Deadline::after(20s, stop.get_token()), stop_it); }),
            Code::kCancelled);
  EXPECT_EQ(code_thrown_by([] { probe("localhost", 1, Deadline::after(1s)); }), Code::kInvalidArgument);
}

}  // namespace
}  // namespace knaller::ssh
