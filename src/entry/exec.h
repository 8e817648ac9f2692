// Programs in a guest, run by its agent.
#ifndef KNALLER_ENTRY_EXEC_H_
#define KNALLER_ENTRY_EXEC_H_

#include "base/fd.h"
#include "entry/link.h"
#include "knaller/manager.h"

namespace knaller::entry {

// Joins the caller's descriptors to a program in the guest until it has ended; see ExecOptions. A program
// that can't be executed has the exit code 126, one that there is not 127, and the reason is on the caller's
// standard error, as a shell would do. kNotFound for a user, a group or a directory that the guest does not
// have. A program whose standard output nobody reads any more ends as if by SIGPIPE.
ExecResult exec(Link& link, const ExecOptions& options);

// The same for a program that was begun before, from what is kept of its output on; of `options`, what
// concerns the caller's side. kNotFound when it is gone.
ExecResult attach(Link& link, const std::string& session, const ExecOptions& options);

// Begins a program that is nobody's, and of whose output the agent keeps the last 256 KiB of each kind, until
// somebody attaches to it. Returns its session: 16 bytes. kNotFound, kIo: it can't be executed.
std::string detach(Link& link, const ExecOptions& options);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_EXEC_H_
