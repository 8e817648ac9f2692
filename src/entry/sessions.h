// The programs that the agent has begun in a guest.
#ifndef KNALLER_ENTRY_SESSIONS_H_
#define KNALLER_ENTRY_SESSIONS_H_

#include <knaller/manager.h>

#include <string>
#include <vector>

#include "base/deadline.h"
#include "entry/link.h"

namespace knaller::entry {

// In the order in which they were begun.
std::vector<SessionInfo> list_sessions(Link& link, const Deadline& deadline);
// To the program's process group. kNotFound: it has ended. `session`: 16 bytes.
void signal_session(Link& link, const std::string& session, int signal, const Deadline& deadline);

// "0f3a…", and back: kInvalidArgument for what is none.
std::string session_text(const std::string& session);
std::string session_bytes(const std::string& text);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_SESSIONS_H_
