#include "base/all_processes.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {

void for_each_process(const std::function<bool(pid_t pid, int directory)>& each) {
  const UniqueFd proc = open_directory("/proc");
  for (const std::string& entry : list_directory(proc.get())) {
    const auto pid = parse_integer(entry, 1, INT32_MAX);
    if (!pid) continue;
    const UniqueFd directory(::openat(proc.get(), entry.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (directory && !each(static_cast<pid_t>(*pid), directory.get())) return;
  }
}

std::string descriptor_name(int process, const std::string& descriptor) {
  char name[4096];
  const ssize_t length = ::readlinkat(process, ("fd/" + descriptor).c_str(), name, sizeof name);
  return length < 0 ? std::string() : std::string(name, static_cast<size_t>(length));
}

UniqueFd open_pidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

void signal_pidfd(int pidfd, int number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) != 0 && errno != ESRCH)
    fail_errno("send signal {} to a process", number);
}

}  // namespace knaller
