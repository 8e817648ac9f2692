// The processes that /proc shows this one.
#ifndef KNALLER_BASE_ALL_PROCESSES_H_
#define KNALLER_BASE_ALL_PROCESSES_H_

#include <sys/types.h>

#include <functional>

#include "base/fd.h"

namespace knaller {

// Calls `each` for every process, until it returns false. `directory` is an O_PATH descriptor of its
// /proc/PID: it is of the process that had the pid when it was opened, and shows nothing once that has ended.
void for_each_process(const std::function<bool(pid_t pid, int directory)>& each);

// Nothing when it has ended.
UniqueFd open_pidfd(pid_t pid);
// SIGKILL and others; no error when it has ended.
void signal_pidfd(int pidfd, int number);

}  // namespace knaller

#endif  // KNALLER_BASE_ALL_PROCESSES_H_
