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

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_ENDING_H_
