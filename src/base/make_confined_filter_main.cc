// Run by the build: writes the system call filter of confined programs (confined_program.h) as an array of
// BPF instructions. What is on the list, and why it is a deny-list: docs/decisions/0098-confined-calls.md.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/make_filter.h"

namespace {

using namespace knaller::make_filter;

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

void refuse(scmp_filter_ctx context, std::string_view name, int error,
            const std::vector<scmp_arg_cmp>& arguments = {}) {
  add_rule(context, SCMP_ACT_ERRNO(static_cast<uint16_t>(error)), name.data(), arguments);
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

std::vector<sock_filter> refuse_calls() {
  const scmp_filter_ctx context = new_context(SCMP_ACT_ALLOW);
  for (const std::string_view name : kRefused) refuse(context, name, EPERM);
  for (const std::string_view name : kAbsent) refuse(context, name, ENOSYS);
  refuse_by_arguments(context);
  const std::vector<sock_filter> steps = steps_of(context);
  seccomp_release(context);
  return steps;
}

// In front of the list: what is newer than Linux 5.17 is ENOSYS, which is what an older kernel says. Among it
// are other ways to change modes and attributes (fchmodat2, setxattrat, file_setattr), which not every
// libseccomp that builds this knows by name. -1 is a call that a tracer has taken away, and a number of x32's
// is for the list.
std::vector<sock_filter> refuse_newer() {
  const int last = number_of("set_mempolicy_home_node");
  constexpr uint32_t kX32Bit = 0x40000000;
  return {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
          {BPF_JMP | BPF_JGT | BPF_K, 0, 2, static_cast<uint32_t>(last)},
          {BPF_JMP | BPF_JGE | BPF_K, 1, 0, kX32Bit},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS}};
}

}  // namespace

int main() {
  std::printf("// Made by make_confined_filter.\n");
  std::vector<sock_filter> steps = refuse_newer();
  const std::vector<sock_filter> list = refuse_calls();
  steps.insert(steps.end(), list.begin(), list.end());
  write_steps("kConfinedFilter", steps);
  return 0;
}
