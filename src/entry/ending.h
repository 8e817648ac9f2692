// How a program in a guest ended, by what the agent says of it.
#ifndef KNALLER_ENTRY_ENDING_H_
#define KNALLER_ENTRY_ENDING_H_

#include <string>

#include "channel/message.h"
#include "knaller/manager.h"

namespace knaller::entry {

struct Ending {
  ExecResult result;
  std::string why_not_run;  // of a program that could not be: "run 'x': No such file or directory"
};

// kNotFound for what had to be there before the program: its user, its directory.
Ending ending_of(const channel::End& end);

// Of a stream that is for a deed of the agent's own, not for a program. Throws why it was not done: kNotFound
// for a session that is gone, kUnsupported for what this agent does not know.
void require_done(const channel::End& end);
// The same for its payload.
void require_done(std::string_view payload);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_ENDING_H_
