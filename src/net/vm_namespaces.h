// The user and the network namespace of a VM, held by descriptors that were taken when they were made.
//
// An engine that its guest has taken over may move itself elsewhere, so what is done in a VM's namespaces
// later must not look for them in /proc/ENGINE/ns. Not thread-safe; the descriptors are close-on-exec.
#ifndef KNALLER_NET_VM_NAMESPACES_H_
#define KNALLER_NET_VM_NAMESPACES_H_

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/fd.h"
#include "base/process.h"

namespace knaller::net {

class VmNamespaces {
 public:
  VmNamespaces() = default;
  // Those of a process that is this program's own: a child that was just cloned into them, before it executes
  // anything.
  static VmNamespaces of(pid_t pid);

  // For UID maps and the like; -1 when there are none.
  int user_fd() const { return user_.get(); }

  // Does `work` in both namespaces, with every capability that they give, in a forked child, and throws what
  // it throws. Blocks until it is done. Another thread may run meanwhile; `work` must not rely on its locks.
  void run_inside(const std::function<void()>& work) const;
  // The same, for descriptors that are opened there, such as sockets; at most kMostPassedFds.
  std::vector<UniqueFd> open_inside(const std::function<std::vector<UniqueFd>()>& open) const;
  // A process in both that does nothing and dies with the calling thread. For programs that take namespaces
  // by a path: /proc/PID/ns/… of this one is theirs for certain.
  Child hold_open() const;

 private:
  UniqueFd user_;
  UniqueFd net_;
};

}  // namespace knaller::net

#endif  // KNALLER_NET_VM_NAMESPACES_H_
