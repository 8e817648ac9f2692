// Starts a program in the guest, as its user would: in the guest's own namespaces and root, whatever this
// process has of its own.
#ifndef KNALLER_AGENT_PROGRAM_H_
#define KNALLER_AGENT_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/accounts.h"

namespace knaller::agent {

// Where the guest's programs live: the root and the mount namespace of its first process.
struct Guest {
  std::string root = "/proc/1/root";
  std::string mounts = "/proc/1/ns/mnt";  // empty: this process's own
};

struct Program {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // beside HOME and the like; what it sets wins
  Account account;
  std::string directory;  // empty: the user's home, or / where that can't be entered
  int descriptors[3] = {-1, -1, -1};
  bool has_terminal = false;  // that is its standard input
  bool own = false;           // this very program, with these arguments
};

struct StartFailure {
  int error = 0;  // an errno
  std::string what;
};

// Returns once it is executed, as leader of a session and a process group of its own; or -1.
pid_t start_program(const Guest& guest, const Program& program, StartFailure* failure);

// Makes this process, which goes on, one of the user's in the guest: its root and mounts, the user, and the
// home, or / where that can't be entered.
bool enter_guest_as(const Guest& guest, const Account& account, StartFailure* failure);

// Undoes for a child what is the agent's alone: its signals, its place when memory runs out, its limits.
void become_ordinary();

// What it gets: that of the user, then its own. Pure.
std::vector<std::string> environment_of(const Program& program);
// Where its program may be, in the order in which they are tried. Pure.
std::vector<std::string> candidates_of(const std::string& name, const std::vector<std::string>& environment);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_PROGRAM_H_
