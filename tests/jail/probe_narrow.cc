// What knaller-qemu may do and QEMU below it may not. Of calls that need a descriptor or a path it has none:
// an answer that speaks of those comes from the kernel behind the list.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "probe.h"

namespace probe {
namespace {

Outcome call_with_nothing(const Attempt& attempt) {
  return judge(syscall(attempt.number, -1, 0, 0, 0, 0, 0));
}

Outcome fork_it(const Attempt&) {
  const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) _exit(0);
  return judge(child);
}

Outcome make_file(const Attempt& attempt) {
  return judge_open(open_path(attempt.text, static_cast<int>(attempt.number)));
}

Outcome make_entry(const Attempt& attempt) {
  return judge(syscall(attempt.number, "/vm/narrow", 0700, 0));
}

Outcome make_socket(const Attempt& attempt) {
  int pair[2];
  return judge(syscall(attempt.number, AF_UNIX, SOCK_STREAM, 0, pair));
}

constexpr Attempt kAttempts[] = {
    {"qemu-forks", fork_it},
    {"qemu-signals-a-process", [](auto&) { return judge(syscall(SYS_kill, getpid(), 0)); }},
    {"qemu-opens-a-pidfd", [](auto&) { return judge_open(syscall(SYS_pidfd_open, getpid(), 0)); }},
    {"qemu-signals-by-pidfd", call_with_nothing, SYS_pidfd_send_signal},
    {"qemu-reads-a-process", call_with_nothing, SYS_process_vm_readv},
    {"qemu-waits", call_with_nothing, SYS_wait4},
    {"qemu-waits-by-id", call_with_nothing, SYS_waitid},
    {"qemu-makes-a-socket", make_socket, SYS_socket},
    {"qemu-makes-sockets", make_socket, SYS_socketpair},
    {"qemu-binds", call_with_nothing, SYS_bind},
    {"qemu-listens", call_with_nothing, SYS_listen},
    {"qemu-accepts", call_with_nothing, SYS_accept4},
    {"qemu-connects", call_with_nothing, SYS_connect},
    {"qemu-makes-a-file", make_file, O_WRONLY | O_CREAT, "/vm/narrow"},
    {"qemu-makes-a-file-without-a-name", make_file, O_WRONLY | O_TMPFILE, "/vm"},
    {"qemu-makes-a-folder", make_entry, SYS_mkdir},
    {"qemu-makes-a-node", [](auto&) { return judge(syscall(SYS_mknod, "/vm/narrow", 0010600, 0)); }},
    {"qemu-makes-a-link", [](auto&) { return judge(syscall(SYS_symlink, "x", "/vm/narrow")); }},
    {"qemu-removes-a-file", [](auto&) { return judge(syscall(SYS_unlink, "/vm/rootfs.ext4")); }},
    {"qemu-truncates-by-name", [](auto&) { return judge(syscall(SYS_truncate, "/vm/rootfs.ext4", 0)); }},
    {"qemu-changes-a-mode", call_with_nothing, SYS_fchmod},
    {"qemu-clones-a-file", [](auto&) { return judge(syscall(SYS_ioctl, -1, FICLONE, 0)); }},
    {"qemu-makes-a-memory-file", [](auto&) { return judge_open(syscall(SYS_memfd_create, "x", 0)); }},
    {"qemu-ties-itself-anew", [](auto&) { return judge(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)); }},
};

}  // namespace

Attempts narrow() {
  if (!options.as_qemu) return {};
  return kAttempts;
}

}  // namespace probe
