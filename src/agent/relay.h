// A connection of knaller's that leads to a TCP port of the guest's.
#ifndef KNALLER_AGENT_RELAY_H_
#define KNALLER_AGENT_RELAY_H_

#include <cstdint>
#include <string>

namespace knaller::agent {

struct RelayRequest {
  uint16_t stream = 0;
  uint16_t port = 0;
  std::string to_say;  // frames that are to go out first
  std::string heard;   // bytes for the port that have come already
};

// In a process of its own (hand_over()), until both sides have ended or one is broken. Returns the process's
// exit code.
int relay(int socket, const RelayRequest& request);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_RELAY_H_
