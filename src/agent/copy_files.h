// A copy into the guest, or out of it, as one of its users.
#ifndef KNALLER_AGENT_COPY_FILES_H_
#define KNALLER_AGENT_COPY_FILES_H_

#include "agent/hand_over.h"
#include "agent/program.h"
#include "channel/copy_message.h"

namespace knaller::agent {

// In a process of its own (hand_over()), until the copy is done or the connection ends; what was begun then
// is undone. Returns the process's exit code.
int copy_files(int socket, const HandedOver& from, const Guest& guest, const channel::CopyRequest& request);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_COPY_FILES_H_
