// Run by the build: writes the list of the system calls that QEMU may make as BPF instructions. The child of
// knaller-qemu's that becomes QEMU installs it last, over the one that both have from the monitor
// (src/monitor/make_call_filters_main.cc), which it can only narrow. How it was found:
// docs/decisions/0099-qemus-own-list.md.
//
// The answer is SECCOMP_RET_TRACE, which is ENOSYS where nobody traces: of two filters the strictest answer
// counts, and an error is stricter than the notification by which the monitor names a call that its list
// refuses, too.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/make_filter.h"

namespace {

using namespace knaller::make_filter;

constexpr const char* kAllowed[] = {
    // Memory, time and threads. execve: the list beneath decides about it, for this one is there before QEMU
    // is.
    "arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "execve", "exit", "exit_group",
    "futex", "getegid", "geteuid", "getgid", "getpid", "getrandom", "gettid", "gettimeofday", "getuid",
    "madvise", "membarrier", "mmap", "mprotect", "mremap", "msync", "munmap", "nanosleep", "restart_syscall",
    "rseq", "sched_getaffinity", "sched_yield", "seccomp", "set_robust_list", "set_tid_address", "sysinfo",
    "time", "uname",
    // Signals of its own: KVM's processors are woken by them, and coroutines may be made with them.
    "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
    "sigaltstack", "signalfd4", "tgkill",
    // Waiting.
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "pipe2", "poll", "ppoll",
    // Files that are there, and what is open already.
    "access", "close", "dup", "fadvise64", "faccessat", "faccessat2", "fallocate", "fdatasync", "fstat",
    "fstatfs", "fsync", "ftruncate", "lseek", "newfstatat", "pread64", "preadv", "preadv2", "pwrite64",
    "pwritev", "pwritev2", "read", "readlink", "readlinkat", "readv", "statfs", "statx", "write", "writev",
    // The control socket, and that of a limited network: QEMU gets both.
    "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt",
    "shutdown"};

// QEMU and its libraries ask for these and go on without them: the list beneath answers, which the kernel
// does not log as it does what this one refuses.
constexpr const char* kAnsweredBeneath[] = {
    "clone3",         "close_range", "copy_file_range",   "get_mempolicy",
    "io_uring_setup", "mbind",       "sched_setaffinity", "userfaultfd"};
constexpr scmp_datum_t kRequestsAnsweredBeneath[] = {BLKSSZGET, BLKPBSZGET, BLKGETSIZE64, TCSETS};
constexpr int kNameMapping = 0x53564d41;  // PR_SET_VMA, of prctl(2)

scmp_arg_cmp is(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp has_none_of(unsigned argument, scmp_datum_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

void add_all(scmp_filter_ctx context) {
  const auto allow = [&](const char* name, const std::vector<scmp_arg_cmp>& arguments) {
    add_rule(context, SCMP_ACT_ALLOW, name, arguments);
  };
  for (const char* name : kAllowed) allow(name, {});
  for (const char* name : kAnsweredBeneath) allow(name, {});
  // It makes no files. O_TMPFILE has the bit of O_DIRECTORY in it, which alone makes nothing.
  constexpr scmp_datum_t kMaking = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
  allow("openat", {has_none_of(2, kMaking)});
  // Threads, and no processes.
  constexpr scmp_datum_t kThread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
  allow("clone", {{0, SCMP_CMP_MASKED_EQ, kThread, kThread}});
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_OFD_GETLK})
    allow("fcntl", {is(1, static_cast<scmp_datum_t>(command))});
  // KVM's, a TAP's, and what every program asks of a descriptor.
  allow("ioctl", {{1, SCMP_CMP_MASKED_EQ, 0xFF00, 0xAE00}});
  allow("ioctl", {{1, SCMP_CMP_MASKED_EQ, 0xFFC0, 0x54C0}});
  for (const scmp_datum_t request : {TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, FIOCLEX, FIONCLEX})
    allow("ioctl", {is(1, request)});
  for (const scmp_datum_t request : kRequestsAnsweredBeneath) allow("ioctl", {is(1, request)});
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_SECCOMP,
                           PR_GET_SECCOMP, PR_SET_TIMERSLACK, PR_MCE_KILL, kNameMapping})
    allow("prctl", {is(0, static_cast<scmp_datum_t>(option))});
  allow("prlimit64", {is(2, 0)});  // to ask, not to set
}

}  // namespace

int main() {
  const scmp_filter_ctx context = new_context(SCMP_ACT_TRACE(0));
  add_all(context);
  std::printf("// Made by make_qemu_call_list.\n");
  write_steps("kQemuSteps", steps_of(context));
  return 0;
}
