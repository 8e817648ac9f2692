// Run by the build: writes the system call filter of confined programs (confined_program.h) as an array of
// BPF instructions. What is on the list, and why it is a deny-list: docs/decisions/0098-confined-calls.md.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Neither e2fsck nor resize2fs makes any of these on a file that it has by a descriptor.
constexpr std::string_view kRefused[] = {
    // What changes a file without opening it, or with a descriptor that is only for reading: modes, owners,
    // times, attributes, sizes. Landlock knows none of these, but sizes, and those only since Linux 6.2.
    "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown", "utime", "utimes", "futimesat",
    "utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    "truncate",
    // Names, which Landlock refuses too, where there is one.
    "creat", "link", "linkat", "mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2",
    "rmdir", "symlink", "symlinkat", "unlink", "unlinkat",
    // Other namespaces, mounts and roots.
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr",
    // Other processes.
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp", "kill",
    "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_getfd",
    "pidfd_send_signal", "migrate_pages", "move_pages",
    // The network, local sockets, and queues and memory that outlive a process.
    "socket", "socketpair", "bind", "connect", "listen", "accept", "accept4", "mq_open", "mq_unlink",
    "msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl",
    "shmget",
    // Programs for the kernel, and what have been ways into it.
    "bpf", "perf_event_open", "userfaultfd", "io_uring_enter", "io_uring_register", "io_uring_setup",
    "add_key", "keyctl", "request_key", "fanotify_init", "fanotify_mark", "name_to_handle_at",
    "open_by_handle_at", "quotactl", "quotactl_fd", "lookup_dcookie", "modify_ldt", "personality", "vmsplice",
    // The host.
    "acct", "create_module", "delete_module", "finit_module", "init_module", "kexec_file_load", "kexec_load",
    "reboot", "swapoff", "swapon", "syslog", "vhangup", "adjtimex", "clock_adjtime", "clock_settime",
    "settimeofday", "setdomainname", "sethostname", "ioperm", "iopl"};

// Their arguments lie in memory, where no filter sees them. C libraries then use clone(2) and openat(2).
constexpr std::string_view kAbsent[] = {"clone3", "openat2"};

[[noreturn]] void fail(const std::string& what, int error) {
  std::fprintf(stderr, "make_confined_filter: %s: error %d\n", what.c_str(), error);
  std::exit(1);
}

void check(const std::string& what, int result) {
  if (result != 0) fail(what, result);
}

void refuse(scmp_filter_ctx context, std::string_view name, int error,
            const std::vector<scmp_arg_cmp>& arguments = {}) {
  const int number = seccomp_syscall_resolve_name(name.data());
  if (number < 0) fail("no system call " + std::string(name), number);
  check(std::string(name),
        seccomp_rule_add_array(context, SCMP_ACT_ERRNO(static_cast<uint16_t>(error)), number,
                               static_cast<unsigned>(arguments.size()), arguments.data()));
}

// All of these arguments are ints, of which the kernel takes a register's lower half; so the masks leave out
// the upper one.
void refuse_by_arguments(scmp_filter_ctx context) {
  constexpr scmp_datum_t kInt = 0xffffffff;
  // open(2) truncates whatever its caller may write to, even if it opens it for reading only or for neither,
  // and Landlock's first two versions look at what it is opened for.
  refuse(context, "open", EPERM, {SCMP_A1(SCMP_CMP_MASKED_EQ, O_TRUNC, O_TRUNC)});
  refuse(context, "openat", EPERM, {SCMP_A2(SCMP_CMP_MASKED_EQ, O_TRUNC, O_TRUNC)});
  for (const scmp_datum_t flag :
       {CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP})
    refuse(context, "clone", EPERM, {SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)});
  // A file's flags, which need no descriptor for writing, and what puts bytes into a terminal's input.
  constexpr scmp_datum_t kRequests[] = {FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, TIOCSTI,
                                        TIOCLINUX};
  for (const scmp_datum_t request : kRequests)
    refuse(context, "ioctl", EPERM, {SCMP_A1(SCMP_CMP_MASKED_EQ, kInt, request)});
  refuse(context, "prlimit64", EPERM, {SCMP_A0(SCMP_CMP_NE, 0, 0)});  // of other processes
}

// The search for a number is libseccomp's, since it knows how to arrange one.
std::vector<sock_filter> refuse_calls() {
  const scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
  if (context == nullptr) fail("seccomp_init", 0);
  // A call of another architecture's table has no honest sender.
  check("bad architecture", seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
  check("optimize", seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2));
  for (const std::string_view name : kRefused) refuse(context, name, EPERM);
  for (const std::string_view name : kAbsent) refuse(context, name, ENOSYS);
  refuse_by_arguments(context);
  const int file = memfd_create("filter", MFD_CLOEXEC);
  check("export", seccomp_export_bpf(context, file));
  seccomp_release(context);
  std::vector<sock_filter> steps(static_cast<size_t>(lseek(file, 0, SEEK_END)) / sizeof(sock_filter));
  const auto size = static_cast<ssize_t>(steps.size() * sizeof(sock_filter));
  if (pread(file, steps.data(), static_cast<size_t>(size), 0) != size) fail("read the filter", errno);
  ::close(file);
  return steps;
}

// In front of the list: what is newer than Linux 5.17 is ENOSYS, which is what an older kernel says. Among it
// are other ways to change modes and attributes (fchmodat2, setxattrat, file_setattr), which not every
// libseccomp that builds this knows by name. -1 is a call that a tracer has taken away, and a number of x32's
// is for the list.
std::vector<sock_filter> refuse_newer() {
  const int last = seccomp_syscall_resolve_name("set_mempolicy_home_node");
  if (last < 0) fail("no system call set_mempolicy_home_node", last);
  constexpr uint32_t kX32Bit = 0x40000000;
  return {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
          {BPF_JMP | BPF_JGT | BPF_K, 0, 2, static_cast<uint32_t>(last)},
          {BPF_JMP | BPF_JGE | BPF_K, 1, 0, kX32Bit},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS}};
}

}  // namespace

int main() {
  std::printf("// Made by make_confined_filter.\nconstexpr sock_filter kConfinedFilter[] = {\n");
  std::vector<sock_filter> steps = refuse_newer();
  const std::vector<sock_filter> list = refuse_calls();
  steps.insert(steps.end(), list.begin(), list.end());
  for (const sock_filter& step : steps)
    std::printf("    {0x%x, %u, %u, 0x%x},\n", step.code, step.jt, step.jf, step.k);
  std::printf("};\n");
  return 0;
}
