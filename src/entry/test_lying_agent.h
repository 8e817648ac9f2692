// An agent that says what a test wants it to, whatever it is asked.
#ifndef KNALLER_ENTRY_TEST_LYING_AGENT_H_
#define KNALLER_ENTRY_TEST_LYING_AGENT_H_

#include <sys/socket.h>

#include <string>
#include <thread>

#include "base/socket.h"
#include "base/test_folder.h"
#include "channel/frame.h"
#include "channel/message.h"
#include "entry/link.h"

namespace knaller::entry {

inline std::string bytes_of(const channel::Frame& frame) {
  std::string bytes;
  channel::append(bytes, frame);
  return bytes;
}
inline std::string hello(const channel::Hello& greeting = {}) {
  return bytes_of({.kind = channel::Kind::kHello, .stream = 0, .payload = channel::encode(greeting)});
}
inline std::string event(const channel::Event& what) {
  return bytes_of({.kind = channel::Kind::kEvent, .stream = 1, .payload = channel::encode(what)});
}
inline std::string end(const channel::End& how) {
  return bytes_of({.kind = channel::Kind::kEnd, .stream = 1, .payload = channel::encode(how)});
}

// Says it, and then is silent, or hangs up. Hears all that knaller says.
class LyingAgent {
 public:
  explicit LyingAgent(std::string says, bool hangs_up = true)
      : sockets_(make_socket_pair()),
        agent_([this, says = std::move(says), hangs_up] { lie(says, hangs_up); }) {}

  // Once.
  Link link() { return Link({std::move(sockets_.first), {}}, "uuid"); }

 private:
  void lie(const std::string& says, bool hangs_up) const {
    const int socket = sockets_.second.get();
    try {
      send_all(socket, says, kSoon, "knaller");
    } catch (const Error&) {  // it has heard enough
    }
    if (hangs_up) ::shutdown(socket, SHUT_WR);
    char buffer[4096];
    while (::recv(socket, buffer, sizeof buffer, 0) > 0) {
    }
  }

  std::pair<UniqueFd, UniqueFd> sockets_;
  std::jthread agent_;
};

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_TEST_LYING_AGENT_H_
