// The processes that /proc shows this one.
#ifndef KNALLER_BASE_ALL_PROCESSES_H_
#define KNALLER_BASE_ALL_PROCESSES_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/fd.h"

namespace knaller {

// Calls `each` for every process, until it returns false. `directory` is an O_PATH descriptor of its
// /proc/PID: it stays with the process that had the pid when it was opened, and shows nothing once that
// process has ended.
void for_each_process(const std::function<bool(pid_t pid, int directory)>& each);

// What a process's descriptor refers to, in the kernel's words: "/a/file (deleted)", "/memfd:x (deleted)",
// "socket:[1]". Empty when there is no such descriptor. Calling stat(2) on whatever somebody has open could
// hang on a dead file server; this does not.
std::string descriptor_name(int process, const std::string& descriptor);

// Nothing when it has ended.
UniqueFd open_pidfd(pid_t pid);
// SIGKILL and others; no error when it has ended.
void signal_pidfd(int pidfd, int number);

}  // namespace knaller

#endif  // KNALLER_BASE_ALL_PROCESSES_H_
