// Confinement for helper programs that read what somebody hostile may have made: SpawnOptions::confinement.
//
// Such a program has user, mount, network, IPC, host name and process namespaces of its own, gains no
// privileges from anything it executes, may open only programs, libraries and /proc for reading, and the one
// file that it is given (Landlock), and has limits on memory, time and file sizes. A filter of system calls
// refuses what changes files by their names, modes, owners, times and attributes, sockets, signals, and what
// else such a program has no use for (ADR 98). What a host does not have (user namespaces may be forbidden,
// its kernel may lack Landlock) is left out; the rest holds. This is a second line of defence: the program
// runs as its caller, whose files a kernel without Landlock would let it open.
//
// The file is a descriptor in SpawnOptions::descriptors, and the program's argument "/dev/fd/N".
#ifndef KNALLER_BASE_CONFINED_PROGRAM_H_
#define KNALLER_BASE_CONFINED_PROGRAM_H_

#include <chrono>
#include <cstdint>

#include "base/fd.h"

struct sock_fprog;

namespace knaller {

struct Confinement {
  int file = -1;            // that it may open, to read and to write; -1: none
  uint64_t file_bytes = 0;  // how long files may become
  uint64_t memory_bytes = uint64_t{2} << 30;
  std::chrono::seconds processor_time = std::chrono::minutes(30);
};

// What has to be made before the child is cloned.
class PreparedConfinement {
 public:
  explicit PreparedConfinement(const Confinement& confinement);

  // For clone(2).
  static int namespaces();
  // For the child to install last.
  static const sock_fprog& call_filter();
  // In the child, where only async-signal-safe calls are allowed; false with errno. Descriptors may be
  // arranged between both, and the limits come after everything but the filter.
  bool restrict_files() const;
  bool set_limits() const;

 private:
  Confinement confinement_;
  UniqueFd rules_;  // none without Landlock
};

}  // namespace knaller

#endif  // KNALLER_BASE_CONFINED_PROGRAM_H_
