// The agent itself, serving this machine instead of a guest.
#ifndef KNALLER_ENTRY_TEST_AGENT_H_
#define KNALLER_ENTRY_TEST_AGENT_H_

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <csignal>

#include "base/process.h"
#include "base/socket.h"
#include "base/test_folder.h"

namespace knaller::entry {

// Listens on a port of 127.0.0.1.
class TestListener {
 public:
  TestListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    EXPECT_EQ(::listen(socket_.get(), 256), 0);
    port_ = ntohs(name.sin_port);
  }
  uint16_t port() const { return port_; }
  int fd() const { return socket_.get(); }
  UniqueFd accept() const { return UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  void close() { socket_.reset(); }

 private:
  UniqueFd socket_;
  uint16_t port_ = 0;
};

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    std::signal(SIGPIPE, SIG_IGN);  // of input that nobody reads
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;  // two hundred clients in one process
    ::setrlimit(RLIMIT_NOFILE, &files);
    agent_ = spawn({.argv = {KNALLER_GUEST_HELPER, "serve", "3"}, .descriptors = {{listener_.fd(), 3}}});
  }
  ~AgentTest() override { agent_.kill_and_reap(); }

  UniqueFd connect() const { return connect_tcp("127.0.0.1", listener_.port(), kSoon); }

  TestFolder folder_;
  TestListener listener_;
  Child agent_;
};

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_TEST_AGENT_H_
