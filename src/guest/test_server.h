// For tests: real SSH servers on loopback. The test itself listens, and starts one server in inetd mode for
// each connection, in a mount namespace of its own in which /run, /root and, for dropbear, the tools are the
// test's. No file of the machine changes.
#ifndef KNALLER_GUEST_TEST_SERVER_H_
#define KNALLER_GUEST_TEST_SERVER_H_

#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "guest/keys.h"
#include "guest/session.h"

namespace knaller::guest {

enum class ServerKind {
  kOpenSsh,  // with bash and GNU tar
  kDropbear  // with busybox for a shell and tar
};

// Empty when such a server can be run here, else why not.
std::string why_no_server(ServerKind kind);

// Accepts connections on a free port of 127.0.0.1 and gives each to `serve`, on a thread of its own.
class Listener {
 public:
  explicit Listener(std::function<void(UniqueFd)> serve);
  ~Listener();
  uint16_t port() const { return port_; }

 private:
  void accept_all(const std::stop_token& stop);

  std::function<void(UniqueFd)> serve_;
  UniqueFd socket_;
  uint16_t port_ = 0;
  std::jthread thread_;
};

class TestServer {
 public:
  explicit TestServer(ServerKind kind);

  Address address() const;
  const TestFolder& folder() const { return folder_; }
  std::string log() const;
  // Kills every server that runs, as the end of a VM would.
  void kill_all();

 private:
  void prepare_keys();
  std::vector<std::string> server_argv() const;
  void serve(UniqueFd connection);

  ServerKind kind_;
  TestFolder folder_;
  std::mutex mutex_;
  std::vector<Child> servers_;
  Listener listener_;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_TEST_SERVER_H_
