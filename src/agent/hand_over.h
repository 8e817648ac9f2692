// A process that has a connection from here on, instead of the agent.
#ifndef KNALLER_AGENT_HAND_OVER_H_
#define KNALLER_AGENT_HAND_OVER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace knaller::agent {

// Where in the conversation it begins.
struct HandedOver {
  uint16_t stream = 0;
  std::string to_say;  // frames that are to go out first
  std::string heard;   // bytes that have come already, behind the stream's kOpen
};

// Forks it; its exit code is what `work` returns. It has the socket, under another number, and no other
// descriptor of the agent's, is an ordinary process of the guest's in the eyes of whoever looks for memory,
// and ends with the agent. The socket does not block. -1: there is none (errno).
pid_t hand_over(int socket, const std::function<int(int socket)>& work);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_HAND_OVER_H_
