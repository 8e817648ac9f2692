// A connection of knaller's that leads to a TCP port of the guest's.
#ifndef KNALLER_AGENT_RELAY_H_
#define KNALLER_AGENT_RELAY_H_

#include <cstdint>

#include "agent/hand_over.h"

namespace knaller::agent {

// In a process of its own (hand_over()), until both sides have ended or one is broken. Returns the process's
// exit code.
int relay(int socket, const HandedOver& from, uint16_t port);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_RELAY_H_
