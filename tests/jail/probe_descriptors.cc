// The descriptors that it has from the monitor: its output, and the file with the lock that shows that it
// lives.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "probe.h"

namespace probe {
namespace {

constexpr long kLock = 3;
// The kernel takes the lower half of a descriptor's number.
constexpr long kWideLock = 1L << 32 | kLock;
constexpr char kLockPath[] = "/proc/self/fd/3";

// At its start it has these; what the probe itself has open by now is the API's socket and its connection.
Outcome have_others(const Attempt&) {
  int sockets = 0;
  for (int fd = 4; fd < 1024; ++fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) continue;
    if (!S_ISSOCK(status.st_mode) || ++sockets > 2) return succeeded("there is another descriptor");
  }
  return refused("nothing but the API's");
}

Outcome change_mode(const Attempt& attempt) {
  return judge(syscall(SYS_fchmod, attempt.number, 0400));
}

Outcome change_owner(const Attempt& attempt) {
  return judge(syscall(SYS_fchown, attempt.number, 0, 0));
}

Outcome change_times(const Attempt& attempt) {
  return judge(syscall(SYS_utimensat, attempt.number, nullptr, nullptr, 0));
}

Outcome write_lock(const Attempt& attempt) {
  return judge(syscall(SYS_write, attempt.number, "x", 1), {EBADF});
}

Outcome shorten_lock(const Attempt& attempt) {
  return judge(syscall(SYS_ftruncate, attempt.number, 0), {EINVAL, EBADF});
}

Outcome fill_lock(const Attempt& attempt) {
  return judge(syscall(SYS_fallocate, attempt.number, 0, 0, 4096), {EBADF});
}

Outcome reopen_lock(const Attempt& attempt) {
  return judge_open(open_path(kLockPath, static_cast<int>(attempt.number)), {ENOENT});
}

Outcome change_mode_of_reopened_lock(const Attempt&) {
  const int fd = static_cast<int>(open_path(kLockPath, O_RDONLY));
  if (fd < 0) return judge(fd, {ENOENT});
  const Outcome outcome = judge(syscall(SYS_fchmod, fd, 0700));
  close(fd);
  return outcome;
}

Outcome open_beside_lock(const Attempt&) {
  return judge_open(open_path("/proc/self/fd/3/../vm.json", O_RDONLY), {ENOENT, ENOTDIR});
}

Outcome set_lock(const Attempt& attempt) {
  struct flock lock = {};
  lock.l_type = static_cast<short>(attempt.number);
  lock.l_len = 2;
  return judge(syscall(SYS_fcntl, kLock, F_OFD_SETLK, &lock));
}

Outcome set_process_lock(const Attempt& attempt) {
  struct flock lock = {};
  lock.l_type = static_cast<short>(attempt.number);
  return judge(syscall(SYS_fcntl, kLock, F_SETLK, &lock));
}

Outcome copy(const Attempt& attempt) {
  return judge_open(syscall(SYS_dup, attempt.number));
}

Outcome copy_to(const Attempt& attempt) {
  return judge_open(syscall(SYS_dup2, attempt.number, 50));
}

Outcome copy_above(const Attempt& attempt) {
  return judge_open(syscall(SYS_fcntl, attempt.number, F_DUPFD_CLOEXEC, 60));
}

Outcome set_flags(const Attempt& attempt) {
  return judge(syscall(SYS_fcntl, attempt.number, F_SETFL, O_NONBLOCK));
}

// Whoever looks for the lock finds none then: the VM seems to be dead.
Outcome close_lock(const Attempt& attempt) {
  return judge(syscall(SYS_close, attempt.number));
}

Outcome close_range_of(const Attempt& attempt) {
  return judge(syscall(SYS_close_range, attempt.number, attempt.number, 0));
}

Outcome replace_lock(const Attempt& attempt) {
  if (attempt.text[0] == '3') return judge(syscall(SYS_dup3, 0, attempt.number, O_CLOEXEC));
  return judge(syscall(SYS_dup2, 0, attempt.number));
}

// By the order of what is left of the lock after one that succeeds.
constexpr Attempt kAttempts[] = {
    {"descriptors-others", have_others},
    {"input-mode", change_mode, 0},
    {"output-mode", change_mode, 1},
    {"errors-mode", change_mode, 2},
    {"input-owner", change_owner, 0},
    {"output-owner", change_owner, 1},
    {"lock-mode", change_mode, kLock},
    {"lock-owner", change_owner, kLock},
    {"lock-times", change_times, kLock},
    {"lock-write", write_lock, kLock},
    {"lock-shorten", shorten_lock, kLock},
    {"lock-fill", fill_lock, kLock},
    {"lock-reopen-writable", reopen_lock, O_RDWR},
    {"lock-reopen-append", reopen_lock, O_WRONLY | O_APPEND},
    {"lock-truncate-by-path", [](auto&) { return judge(syscall(SYS_truncate, kLockPath, 0), {ENOENT}); }},
    {"lock-reopen-mode", change_mode_of_reopened_lock},
    {"lock-neighbour", open_beside_lock},
    {"lock-release", set_lock, F_UNLCK},
    {"lock-take-more", set_lock, F_RDLCK},
    {"lock-release-of-process", set_process_lock, F_UNLCK},
    {"lock-flock", [](auto&) { return judge(syscall(SYS_flock, kLock, LOCK_SH | LOCK_NB)); }},
    {"lock-copy", copy, kLock},
    {"lock-copy-to", copy_to, kLock},
    {"lock-copy-above", copy_above, kLock},
    {"lock-flags", set_flags, kLock},
    {"lock-mode-by-wide-number", change_mode, kWideLock},
    {"lock-copy-by-wide-number", copy, kWideLock},
    {"lock-copy-to-by-wide-number", copy_to, kWideLock},
    {"lock-copy-above-by-wide-number", copy_above, kWideLock},
    {"lock-flags-by-wide-number", set_flags, kWideLock},
    {"lock-replace", replace_lock, kLock},
    {"lock-replace-closing", replace_lock, kLock, "3"},
    {"lock-close", close_lock, kLock},
    {"lock-close-range", close_range_of, kLock},
    {"lock-replace-by-wide-number", replace_lock, kWideLock},
    {"lock-replace-closing-by-wide-number", replace_lock, kWideLock, "3"},
    {"lock-close-by-wide-number", close_lock, kWideLock},
    {"lock-close-range-by-wide-number", close_range_of, kWideLock},
};

}  // namespace

Attempts descriptors() {
  return kAttempts;
}

}  // namespace probe
