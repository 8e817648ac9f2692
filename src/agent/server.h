// The agent: listens for knaller, and has the sessions of all its connections.
#ifndef KNALLER_AGENT_SERVER_H_
#define KNALLER_AGENT_SERVER_H_

#include <sys/types.h>

#include "agent/program.h"

namespace knaller::agent {

// Who ends the guest, and tells all of its processes by SIGTERM. Sent by anybody else, the agent and its
// keeper do not hear it: whoever ends all processes (killall5) would lock himself out.
inline constexpr pid_t kInit = 1;

// Serves connections to the listening socket until the guest ends; then, until the programs of its sessions
// have ended and their last words are heard. Returns the program's exit code.
int serve(int listener, const Guest& guest);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_SERVER_H_
