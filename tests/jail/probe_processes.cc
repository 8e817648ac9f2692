// Other processes: the monitor, and whoever else runs on the host.
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "probe.h"

namespace probe {
namespace {

constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD, Linux 6.5
constexpr int kPatience = 10'000;
int listener = -1;

// --- By number

Outcome trace(const Attempt& attempt) {
  return judge(syscall(SYS_ptrace, attempt.number, options.host_pid, nullptr, nullptr), {ESRCH});
}

// In a thread of its own: a traced one stops at its next signal.
Outcome be_traced(const Attempt&) {
  Outcome outcome;
  std::thread([&] { outcome = judge(syscall(SYS_ptrace, PTRACE_TRACEME, 0, nullptr, nullptr)); }).join();
  return outcome;
}

Outcome access_memory(const Attempt& attempt) {
  char byte = 0;
  const iovec local = {&byte, 1};
  const iovec remote = {reinterpret_cast<void*>(0x400000), 1};
  return judge(syscall(attempt.number, options.host_pid, &local, 1UL, &remote, 1UL, 0UL), {ESRCH});
}

// Its own memory may be written by other means; this call would do so with what it finds read-only.
Outcome write_own_memory(const Attempt&) {
  char from = 1;
  char to = 0;
  const iovec local = {&from, 1};
  const iovec remote = {&to, 1};
  return judge(syscall(SYS_process_vm_writev, getpid(), &local, 1UL, &remote, 1UL, 0UL));
}

Outcome open_entry(const Attempt& attempt) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%ld/%s", options.host_pid, attempt.text);
  return judge_open(open_path(path, static_cast<int>(attempt.number)), {ENOENT});
}

Outcome see_others(const Attempt&) {
  static char other[32];
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return judge(-1);
  while (const dirent* entry = readdir(folder)) {
    const long pid = std::strtol(entry->d_name, nullptr, 10);
    if (pid > 0 && pid != getpid()) std::snprintf(other, sizeof other, "there is %ld", pid);
  }
  closedir(folder);
  return other[0] == '\0' ? refused("there is nobody else") : succeeded(other);
}

// A stop that is undone at once, should it come through.
Outcome signal_process(const Attempt&) {
  return judge(syscall(SYS_kill, options.host_pid, SIGCONT), {ESRCH});
}

Outcome signal_everybody(const Attempt&) {
  return judge(syscall(SYS_kill, -1, SIGCONT), {ESRCH});
}

Outcome signal_group(const Attempt&) {
  return judge(syscall(SYS_kill, -options.host_pid, SIGCONT), {ESRCH});
}

Outcome signal_thread(const Attempt&) {
  return judge(syscall(SYS_tgkill, options.host_pid, options.host_pid, SIGCONT), {ESRCH});
}

Outcome queue_signal(const Attempt& attempt) {
  siginfo_t info = {};
  info.si_code = SI_QUEUE;
  if (attempt.number == SYS_rt_sigqueueinfo)
    return judge(syscall(attempt.number, options.host_pid, SIGCONT, &info), {ESRCH});
  return judge(syscall(attempt.number, options.host_pid, options.host_pid, SIGCONT, &info), {ESRCH});
}

Outcome open_pidfd(const Attempt&) {
  return judge_open(syscall(SYS_pidfd_open, options.host_pid, 0), {ESRCH});
}

Outcome take_descriptor(const Attempt&) {
  const long self = syscall(SYS_pidfd_open, getpid(), 0);
  const Outcome outcome = judge_open(syscall(SYS_pidfd_getfd, self, 1, 0));
  if (self >= 0) close(static_cast<int>(self));
  return outcome;
}

Outcome ask_about(const Attempt& attempt) {
  return judge(syscall(attempt.number, options.host_pid), {ESRCH});
}

Outcome move_pages_of(const Attempt&) {
  return judge(syscall(SYS_move_pages, options.host_pid, 0, nullptr, nullptr, nullptr, 0), {ESRCH});
}

Outcome compare(const Attempt&) {
  return judge(syscall(SYS_kcmp, options.host_pid, getpid(), KCMP_FILES, 0, 0), {ESRCH});
}

Outcome signal_by_io(const Attempt& attempt) {
  return judge(syscall(SYS_fcntl, 1, attempt.number, options.host_pid));
}

Outcome limit_other(const Attempt&) {
  unsigned long long limit[2];
  return judge(syscall(SYS_prlimit64, options.host_pid, 0, nullptr, limit), {ESRCH});
}

// --- The monitor, by its connection

// A pidfd does not care whose namespaces are whose until it is used.
Outcome signal_peer(const Attempt&) {
  if (options.as_qemu) return refused("it can't listen");
  pollfd polled = {listener, POLLIN, 0};
  if (poll(&polled, 1, kPatience) != 1) return {Outcome::Kind::kUnclear, 0, "the monitor did not connect"};
  // Left open: a monitor whose engine hangs up ends it.
  const int connection = accept(listener, nullptr, nullptr);
  if (connection < 0) return unprepared();
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  if (getsockopt(connection, SOL_SOCKET, kPeerPidfd, &pidfd, &size) != 0) return judge(-1, {ENOPROTOOPT});
  const Outcome outcome = judge(syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, nullptr, 0), {EINVAL});
  close(pidfd);
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"trace-me", be_traced},
    {"trace-process", trace, PTRACE_ATTACH},
    {"seize-process", trace, PTRACE_SEIZE},
    {"read-process-memory", access_memory, SYS_process_vm_readv},
    {"write-process-memory", access_memory, SYS_process_vm_writev},
    {"write-own-memory-by-call", write_own_memory},
    {"open-process-memory", open_entry, O_RDWR, "mem"},
    {"open-process-root", open_entry, O_RDONLY, "root"},
    {"open-process-folder", open_entry, O_RDONLY, "cwd"},
    {"open-process-descriptors", open_entry, O_RDONLY, "fd"},
    {"open-process-environment", open_entry, O_RDONLY, "environ"},
    {"open-process-badness", open_entry, O_WRONLY, "oom_score_adj"},
    {"see-others", see_others},
    {"kill-process", signal_process},
    {"kill-everybody", signal_everybody},
    {"kill-group", signal_group},
    {"tgkill", signal_thread},
    {"sigqueueinfo", queue_signal, SYS_rt_sigqueueinfo},
    {"tgsigqueueinfo", queue_signal, SYS_rt_tgsigqueueinfo},
    {"pidfd-open", open_pidfd},
    {"pidfd-getfd", take_descriptor},
    {"kcmp", compare},
    {"getpgid", ask_about, SYS_getpgid},
    {"getsid", ask_about, SYS_getsid},
    {"move-pages", move_pages_of},
    {"prlimit-process", limit_other},
    {"process-madvise", [](auto&) { return judge(syscall(SYS_process_madvise, 1, nullptr, 0, 21, 0)); }},
    {"process-mrelease", [](auto&) { return judge(syscall(SYS_process_mrelease, 1, 0)); }},
    {"join-group", [](auto&) { return judge(syscall(SYS_setpgid, 0, options.host_pid)); }},
    {"new-session", [](auto&) { return judge(syscall(SYS_setsid)); }},
    {"signal-by-owner", signal_by_io, F_SETOWN},
    {"signal-by-number", signal_by_io, F_SETSIG},
    {"signal-peer", signal_peer},
};

}  // namespace

void listen_for_monitor() {
  sockaddr_un name = {AF_UNIX, "api.sock"};
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 || listen(listener, 16) != 0)
    std::printf("probe: cannot listen on api.sock (%s)\n", strerrorname_np(errno));
}

Attempts processes() {
  return kAttempts;
}

}  // namespace probe
