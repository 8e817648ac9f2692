// Run by the build: writes the system call filters of engines as arrays of BPF instructions, so that
// libseccomp is needed to build knaller and not to run it, and a filter costs a start one system call.
//
// These are allow-lists. How they were found, and what becomes of a refused call:
// docs/decisions/0082-call-filter.md.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/make_filter.h"

namespace {

using namespace knaller::make_filter;

// The engine's descriptor with the alive lock (kEngineLockFd): it stays open and locked as long as the engine
// lives.
constexpr uint32_t kLockFd = 3;
constexpr int kLastCall = 500;
constexpr scmp_datum_t kPagemapScan =
    0xc0606610;  // PAGEMAP_SCAN, which Debian 12's headers do not have (Linux 6.7)

enum class Kind { kFirecracker, kQemu };
// What becomes of a call that is not on the list: it is told to the monitor, which names it in the engine's
// log, or, where another filter of this process has a listener already (a container's), it fails with EPERM.
enum class Refusal { kTold, kError };

// Memory, files, time, threads, signals: what every program does.
constexpr const char* kEverybody[] = {
    "access", "arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "exit",
    "exit_group", "fadvise64", "faccessat", "faccessat2", "fallocate", "fdatasync", "fstat", "fstatfs",
    "fsync", "ftruncate", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpid",
    "getppid", "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "gettid", "gettimeofday",
    "getuid", "lseek", "lstat", "madvise", "membarrier", "memfd_create", "mincore", "mmap", "mprotect",
    "mremap", "msync", "munmap", "nanosleep", "newfstatat", "open", "openat", "openat2", "pause", "pipe",
    "pipe2", "poll", "ppoll", "pread64", "preadv", "preadv2", "pselect6", "pwrite64", "pwritev", "pwritev2",
    "read", "readlink", "readlinkat", "readv", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity", "sched_yield",
    "select", "set_robust_list", "set_tid_address", "sigaltstack", "stat", "statfs", "statx",
    "sync_file_range", "sysinfo", "tgkill", "time", "timerfd_create", "timerfd_gettime", "timerfd_settime",
    "tkill", "umask", "uname", "unlink", "unlinkat", "write", "writev",
    // The API's socket, a vsock's, and what is inherited.
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
    "recvmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    // Whoever reads in a VM's directory expects links, fifos and folders there, and the tests of that need an
    // engine that makes some. mknod(2) of a device needs a capability.
    "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "truncate"};

// knaller-qemu starts QEMU and looks after it.
constexpr const char* kQemuOnly[] = {"kill",      "pidfd_open",   "pidfd_send_signal", "process_vm_readv",
                                     "signalfd4", "timer_create", "timer_delete",      "timer_settime",
                                     "wait4",     "waitid"};

// Programs ask for these and go on without them, so they are not worth a line in the log.
struct Absent {
  const char* name;
  int error;
};
constexpr Absent kAbsent[] = {
    {"clone3", ENOSYS},  // its flags lie in memory, where no filter sees them; C libraries then use clone(2)
    {"close_range", ENOSYS},      {"copy_file_range", EXDEV}, {"get_mempolicy", ENOSYS},
    {"getxattr", ENOTSUP},        {"io_uring_setup", ENOSYS}, {"mbind", ENOSYS},
    {"sched_setaffinity", EPERM}, {"userfaultfd", ENOSYS},
};

class Filter {
 public:
  Filter(Kind kind, Refusal refusal)
      : kind_(kind),
        refused_(refusal == Refusal::kTold ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM)),
        context_(new_context(refused_)) {
    for (const char* name : kEverybody) allow(name, {});
    if (kind == Kind::kQemu)
      for (const char* name : kQemuOnly) allow(name, {});
    for (const Absent& absent : kAbsent) {
      if (kind == Kind::kQemu && std::string(absent.name) == "close_range") continue;
      add(SCMP_ACT_ERRNO(static_cast<uint16_t>(absent.error)), absent.name, {});
    }
    allow_descriptors();
    allow_filters();
    allow_sockets();
    allow_controls();
    allow_processes(refusal);
  }
  ~Filter() { seccomp_release(context_); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  std::vector<sock_filter> instructions() const { return steps_of(context_); }

 private:
  // What may not be done to the lock's descriptor is in guard_of_the_lock(). Locks are neither taken nor
  // given up.
  void allow_descriptors() {
    for (const char* name : {"close", "dup", "dup2", "dup3"}) allow(name, {});
    for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_GETPIPE_SZ,
                              F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS, F_OFD_GETLK, F_GETLK})
      allow("fcntl", {is(1, static_cast<scmp_datum_t>(command))});
    // Before bind(2), for the mode of a socket. Never a file that would run as its owner.
    allow("fchmod", {SCMP_A1(SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0)});
    if (kind_ == Kind::kQemu) allow("close_range", {});
  }

  // Both engines lay filters of their own over this one. One with a listener of the engine's could answer for
  // this one's refusals once the monitor has stopped listening: of filters that agree, the newest one's
  // listener is asked.
  void allow_filters() {
    allow("seccomp", {SCMP_A1(SCMP_CMP_MASKED_EQ, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0)});
  }

  void allow_sockets() {
    for (const char* name : {"socket", "socketpair"}) allow(name, {is(0, AF_UNIX)});
  }

  void allow_controls() {
    // KVM's, a TAP's, and what every program asks of a descriptor. Not TIOCSTI, not what file systems offer.
    allow("ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFF00, 0xAE00)});
    allow("ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFC0, 0x54C0)});
    for (const scmp_datum_t request : {TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, FIOCLEX, FIONCLEX})
      allow("ioctl", {is(1, request)});
    // Which pages a process changed, and a copy of a file that shares its blocks: a snapshot's.
    for (const scmp_datum_t request : {kPagemapScan, scmp_datum_t{FICLONE}, scmp_datum_t{FICLONERANGE}})
      allow("ioctl", {is(1, request)});
    // QEMU asks files whether they are block devices or terminals.
    for (const scmp_datum_t request : std::vector<scmp_datum_t>{BLKSSZGET, BLKPBSZGET, BLKGETSIZE64, TCSETS})
      add(SCMP_ACT_ERRNO(ENOTTY), "ioctl", {is(1, request)});
    for (const int option :
         {PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_DUMPABLE, PR_SET_SECCOMP,
          PR_GET_SECCOMP, PR_CAPBSET_READ, PR_SET_TIMERSLACK, PR_MCE_KILL})
      allow("prctl", {is(0, static_cast<scmp_datum_t>(option))});
    // Tied to its parent more than once, never untied; hidden from others, never shown.
    allow("prctl", {is(0, PR_SET_PDEATHSIG), is(1, SIGKILL)});
    allow("prctl", {is(0, PR_SET_DUMPABLE), is(1, 0)});
    add(SCMP_ACT_ERRNO(EINVAL), "prctl", {is(0, 0x53564d41 /* PR_SET_VMA: the name of a mapping */)});
    allow("prlimit64", {is(2, 0)});  // to ask, not to set
  }

  // Threads. Processes are QEMU's alone, and no process gets a namespace.
  void allow_processes(Refusal refusal) {
    constexpr scmp_datum_t kNamespaces = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
                                         CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    const scmp_datum_t thread = kind_ == Kind::kQemu ? 0 : CLONE_THREAD;
    allow("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaces | thread, thread)});
    // The monitor lets the engine's own program be executed, and knaller-qemu's QEMU; where nobody can be
    // asked, what may not be executed is left to the mounts and to the engine's own filter.
    if (refusal == Refusal::kError) allow("execve", {});
  }

  static scmp_arg_cmp is(unsigned argument, scmp_datum_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
  void allow(const char* name, const std::vector<scmp_arg_cmp>& arguments) {
    add(SCMP_ACT_ALLOW, name, arguments);
  }
  void add(uint32_t action, const char* name, const std::vector<scmp_arg_cmp>& arguments) {
    if (action != refused_) add_rule(context_, action, name, arguments);
  }

  Kind kind_;
  uint32_t refused_;
  scmp_filter_ctx context_;
};

// In front of the list: the lock's descriptor is neither closed, replaced, copied nor changed. By hand, since
// the kernel takes the lower half of a register for a descriptor, and libseccomp compares all of it: to "is
// not 3" 0x1'0000'0003 is another one.
std::vector<sock_filter> guard_of_the_lock(Refusal refusal) {
  const auto load = [](size_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)};
  };
  const auto load_argument = [&](size_t index) {
    return load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
  };
  const auto jump = [](uint16_t how, uint32_t value, uint8_t yes, uint8_t no) {
    return sock_filter{static_cast<uint16_t>(BPF_JMP | how | BPF_K), yes, no, value};
  };
  const sock_filter refuse{
      BPF_RET | BPF_K, 0, 0,
      refusal == Refusal::kTold ? SECCOMP_RET_USER_NOTIF : static_cast<uint32_t>(SECCOMP_RET_ERRNO | EPERM)};

  std::vector<sock_filter> steps;
  const auto add = [&](uint32_t call, const std::vector<sock_filter>& body) {
    steps.push_back(load(offsetof(seccomp_data, nr)));
    steps.push_back(jump(BPF_JEQ, call, 0, static_cast<uint8_t>(body.size())));
    steps.insert(steps.end(), body.begin(), body.end());
  };
  for (const uint32_t call : {SYS_close, SYS_dup, SYS_dup2, SYS_dup3})
    add(call, {load_argument(0), jump(BPF_JEQ, kLockFd, 0, 1), refuse});
  for (const uint32_t call : {SYS_dup2, SYS_dup3})
    add(call, {load_argument(1), jump(BPF_JEQ, kLockFd, 0, 1), refuse});
  // Nor are the modes of what the engine was given: 0 to 2 are the monitor's pipes and a device.
  for (const uint32_t call : {SYS_close_range, SYS_fchmod})
    add(call, {load_argument(0), jump(BPF_JGT, kLockFd, 1, 0), refuse});
  // It may be asked about, and kept or closed at execve(2): commands 1 to 3.
  static_assert(F_DUPFD == 0 && F_GETFD == 1 && F_SETFD == 2 && F_GETFL == 3);
  add(SYS_fcntl, {load_argument(0), jump(BPF_JEQ, kLockFd, 0, 4), load_argument(1),
                  jump(BPF_JGT, F_GETFL, 1, 0), jump(BPF_JEQ, F_DUPFD, 0, 1), refuse});
  return steps;
}

void write_filter(const char* name, Kind kind, Refusal refusal) {
  std::vector<sock_filter> steps = guard_of_the_lock(refusal);
  const std::vector<sock_filter> list = Filter(kind, refusal).instructions();
  steps.insert(steps.end(), list.begin(), list.end());
  write_steps(name, steps);
}

void write_names() {
  std::printf("constexpr const char* kCallNames[] = {\n");
  for (int number = 0; number < kLastCall; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
    std::printf(name == nullptr ? "    nullptr,\n" : "    \"%s\",\n", name);
    std::free(name);
  }
  std::printf("};\n");
}

}  // namespace

int main() {
  std::printf("// Made by make_call_filters.\n");
  write_filter("kFirecrackerTold", Kind::kFirecracker, Refusal::kTold);
  write_filter("kFirecrackerPlain", Kind::kFirecracker, Refusal::kError);
  write_filter("kQemuTold", Kind::kQemu, Refusal::kTold);
  write_filter("kQemuPlain", Kind::kQemu, Refusal::kError);
  write_names();
  return 0;
}
