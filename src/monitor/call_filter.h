// The system calls that an engine may make: a filter that its child installs last before it executes the
// engine, and the monitor's side of it, which decides what may be executed and names what was refused.
//
// A filter can't be taken off, is inherited by everything that the engine starts, and adds up with the
// engine's own. Refused calls fail with EPERM; once the monitor has stopped listening, or has died, with
// ENOSYS.
#ifndef KNALLER_MONITOR_CALL_FILTER_H_
#define KNALLER_MONITOR_CALL_FILTER_H_

#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "engine/engine_family.h"

struct seccomp_data;

namespace knaller::monitor {

using engine::CallFilter;

// For the single-threaded child, after it has given up its privileges (NO_NEW_PRIVS is set). Returns the
// listener that reports refused calls; nothing where a filter with such a listener is in force already, as in
// some containers: then execve(2) stays allowed, and refused calls have no name.
UniqueFd install_call_filter(CallFilter filter);

// Answers for an engine's filter. The event loop's thread only.
class CallGuard {
 public:
  // `log` gets a line for each refused call, up to 64, and then one that says that further ones go unnamed.
  CallGuard(UniqueFd listener, CallFilter filter, std::function<void(std::string_view)> log);

  // To be watched for POLLIN, then answer(); -1 when it has stopped listening.
  int fd() const { return listener_.get(); }
  // False when it has stopped listening: fd() is not valid any more after that.
  bool answer();
  // From here on nothing is executed any more.
  void forbid_execution() { executions_left_ = 0; }

 private:
  bool may_go_on(const seccomp_data& call);

  UniqueFd listener_;
  std::function<void(std::string_view)> log_;
  int executions_left_;
  int named_ = 0;
};

// "ptrace", or "call 987" for one that this knaller does not know.
std::string call_name(int number);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CALL_FILTER_H_
