// New namespaces, and others' ones.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "probe.h"

namespace probe {
namespace {

Outcome unshare_it(const Attempt& attempt) {
  return judge(syscall(SYS_unshare, attempt.number));
}

Outcome end_child(long pid) {
  if (pid == 0) _exit(0);
  return judge(pid);
}

Outcome clone_into(const Attempt& attempt) {
  return end_child(syscall(SYS_clone, attempt.number | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

Outcome clone3_into(const Attempt& attempt) {
  clone_args arguments = {};
  arguments.flags = static_cast<uint64_t>(attempt.number);
  arguments.exit_signal = SIGCHLD;
  return end_child(syscall(SYS_clone3, &arguments, sizeof arguments));
}

// The kernel takes the lower half of a call's number and flags.
Outcome unshare_by_wide_number(const Attempt&) {
  long result = (1L << 32) | SYS_unshare;
  asm volatile("syscall" : "+a"(result) : "D"(long{CLONE_NEWUSER}) : "rcx", "r11", "memory");
  errno = static_cast<int>(-result);
  return judge(result < 0 ? -1 : 0);
}

Outcome unshare_by_wide_flags(const Attempt&) {
  return judge(syscall(SYS_unshare, (1L << 32) | CLONE_NEWUSER), {EINVAL});
}

Outcome clone_by_wide_flags(const Attempt&) {
  return end_child(
      syscall(SYS_clone, (1L << 32) | CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

Outcome enter(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path(attempt.text, O_RDONLY));
  if (fd < 0) return judge(fd, {ENOENT});
  const long result = syscall(SYS_setns, fd, attempt.number);
  const int error = errno;
  close(fd);
  errno = error;
  return judge(result);
}

Outcome ask_for_relative(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path("/proc/self/ns/net", O_RDONLY));
  const long result = ioctl(fd, static_cast<unsigned long>(attempt.number));
  const int error = errno;
  close(fd);
  errno = error;
  return judge_open(result);
}

Outcome write_limit(const Attempt&) {
  return judge_open(open_path("/proc/sys/user/max_user_namespaces", O_WRONLY), {ENOENT});
}

constexpr long kNsGetUserns = 0xb701;
constexpr long kNsGetParent = 0xb702;
constexpr long kNewTime = 0x80;

constexpr Attempt kAttempts[] = {
    {"unshare-user", unshare_it, CLONE_NEWUSER},
    {"unshare-mount", unshare_it, CLONE_NEWNS},
    {"unshare-net", unshare_it, CLONE_NEWNET},
    {"unshare-pid", unshare_it, CLONE_NEWPID},
    {"unshare-ipc", unshare_it, CLONE_NEWIPC},
    {"unshare-uts", unshare_it, CLONE_NEWUTS},
    {"unshare-cgroup", unshare_it, CLONE_NEWCGROUP},
    {"unshare-time", unshare_it, kNewTime},
    {"unshare-user-and-all", unshare_it, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID},
    {"unshare-by-wide-number", unshare_by_wide_number},
    {"unshare-by-wide-flags", unshare_by_wide_flags},
    {"clone-user", clone_into, CLONE_NEWUSER},
    {"clone-mount", clone_into, CLONE_NEWNS},
    {"clone-net", clone_into, CLONE_NEWNET},
    {"clone-pid", clone_into, CLONE_NEWPID},
    {"clone-ipc", clone_into, CLONE_NEWIPC},
    {"clone-uts", clone_into, CLONE_NEWUTS},
    {"clone-cgroup", clone_into, CLONE_NEWCGROUP},
    {"clone-user-and-net", clone_into, CLONE_NEWUSER | CLONE_NEWNET},
    {"clone-by-wide-flags", clone_by_wide_flags},
    {"clone3-user", clone3_into, CLONE_NEWUSER},
    {"clone3-net", clone3_into, CLONE_NEWNET},
    {"clone3-time", clone3_into, kNewTime},
    {"clone3-plain", clone3_into, 0},  // where no filter sees the flags
    {"setns-self-user", enter, CLONE_NEWUSER, "/proc/self/ns/user"},
    {"setns-self-mount", enter, CLONE_NEWNS, "/proc/self/ns/mnt"},
    {"setns-self-net", enter, CLONE_NEWNET, "/proc/self/ns/net"},
    {"setns-self-pid", enter, CLONE_NEWPID, "/proc/self/ns/pid"},
    {"setns-self-children", enter, CLONE_NEWPID, "/proc/self/ns/pid_for_children"},
    {"setns-self-ipc", enter, CLONE_NEWIPC, "/proc/self/ns/ipc"},
    {"setns-self-uts", enter, CLONE_NEWUTS, "/proc/self/ns/uts"},
    {"setns-self-cgroup", enter, CLONE_NEWCGROUP, "/proc/self/ns/cgroup"},
    {"setns-self-any", enter, 0, "/proc/self/ns/net"},
    {"setns-first-process-user", enter, CLONE_NEWUSER, "/proc/1/ns/user"},
    {"setns-first-process-mount", enter, CLONE_NEWNS, "/proc/1/ns/mnt"},
    {"setns-first-process-net", enter, CLONE_NEWNET, "/proc/1/ns/net"},
    {"namespaces-owner", ask_for_relative, kNsGetUserns},
    {"namespaces-parent", ask_for_relative, kNsGetParent},
    {"limit-of-user-namespaces", write_limit},
};

}  // namespace

Attempts namespaces() {
  return kAttempts;
}

}  // namespace probe
