// For tests: a monitor inside this process. It gives each request the answer that the test wants, on as many
// connections as there are.
#ifndef KNALLER_MONITOR_TEST_MONITOR_H_
#define KNALLER_MONITOR_TEST_MONITOR_H_

#include <sys/socket.h>

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/socket.h"
#include "base/test_folder.h"
#include "store/layout.h"

namespace knaller::monitor {

class TestMonitor {
 public:
  // What is answered to a request, without the newline; nothing: the connection is closed. Runs in a thread,
  // one request at a time.
  using Answer = std::function<std::string(const Json& request)>;

  TestMonitor(int vm_directory, Answer answer)
      : answer_(std::move(answer)),
        listener_(listen_unix(vm_directory, layout::kMonitorSocket)),
        acceptor_([this] { accept_all(); }) {}
  ~TestMonitor() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    for (const UniqueFd& connection : connections_) ::shutdown(connection.get(), SHUT_RDWR);
  }
  TestMonitor(const TestMonitor&) = delete;
  TestMonitor& operator=(const TestMonitor&) = delete;

  // The "op" of each request, in the order in which they came.
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void accept_all() {
    while (true) {
      UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      const int fd = connections_.emplace_back(std::move(connection)).get();
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int connection) {
    try {
      std::string buffer, line;
      while (read_line(connection, buffer, line, 64 << 10, kSoon, "the client")) {
        const Json request = parse_json(line, "the request");
        const std::lock_guard lock(mutex_);
        asked_.push_back(request.at("op"));
        const std::string answer = answer_(request);
        if (answer.empty()) break;
        send_all(connection, answer + "\n", kSoon, "the client");
      }
    } catch (const Error&) {  // the client has gone
    }
    ::shutdown(connection, SHUT_RDWR);
  }

  Answer answer_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  UniqueFd listener_;
  std::list<UniqueFd> connections_;
  std::list<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_TEST_MONITOR_H_
