#include "monitor/knock.h"

#include <sys/socket.h>

#include "base/error.h"
#include "base/socket.h"
#include "channel/link_plan.h"
#include "net/control_link.h"

namespace knaller::monitor {
namespace {

// In the background; a refusal is no answer of the guest's, either.
void begin_to_connect(const UniqueFd& socket, const std::string& address, uint16_t port) {
  try {
    connect_tcp_socket(socket.get(), address, port, Deadline::after(std::chrono::seconds(0)));
  } catch (const Error&) {
  }
}

}  // namespace

UniqueFd knock_at_agent(const net::VmNamespaces& namespaces) {
  try {
    UniqueFd socket = net::make_control_socket(namespaces);
    begin_to_connect(socket, channel::kGuestAddress, channel::kPort);
    return socket;
  } catch (const Error&) {
    return {};  // the engine is ending, or this process lacks descriptors
  }
}

UniqueFd knock_at_port(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket) begin_to_connect(socket, "127.0.0.1", port);
  return socket;
}

}  // namespace knaller::monitor
