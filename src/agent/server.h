// The agent: listens for knaller, and has the sessions of all its connections.
#ifndef KNALLER_AGENT_SERVER_H_
#define KNALLER_AGENT_SERVER_H_

#include "agent/program.h"

namespace knaller::agent {

// Serves connections to the listening socket until it is closed, or asked to end by SIGTERM. Returns the
// program's exit code.
int serve(int listener, const Guest& guest);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_SERVER_H_
