// What an engine must be able to do, and the runs that are one attempt each.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include "probe.h"

namespace probe {
namespace {

Outcome start_thread(const Attempt&) {
  bool ran = false;
  std::thread([&] { ran = true; }).join();
  return ran ? succeeded("") : refused("it did not run");
}

Outcome write_file(const Attempt&) {
  const int fd = static_cast<int>(open_path("/vm/file", O_RDWR | O_CREAT | O_EXCL));
  if (fd < 0 || write(fd, "text", 4) != 4 || ftruncate(fd, 1 << 20) != 0 || fsync(fd) != 0) return judge(-1);
  close(fd);
  return judge(unlink("/vm/file"));
}

Outcome make_entries(const Attempt&) {
  if (mkdir("/vm/folder", 0700) != 0 || symlink("x", "/vm/link") != 0) return judge(-1);
  if (mknod("/vm/fifo", S_IFIFO | 0600, 0) != 0) return judge(-1);
  for (const char* name : {"/vm/link", "/vm/fifo"})
    if (unlink(name) != 0) return judge(-1);
  return judge(unlinkat(AT_FDCWD, "/vm/folder", AT_REMOVEDIR));
}

Outcome read_immutable(const Attempt&) {
  char text[8];
  return judge(read_text("/vm/vmlinux", text, sizeof text) < 4 ? -1 : 0);
}

Outcome serve_unix_socket(const Attempt&) {
  sockaddr_un name = {AF_UNIX, "/vm/socket"};
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(server, address, sizeof name) != 0 || listen(server, 1) != 0) return judge(-1);
  const long result = connect(client, address, sizeof name);
  const Outcome outcome = judge(result);
  unlink("/vm/socket");
  close(server);
  close(client);
  return outcome;
}

Outcome pair_sockets(const Attempt&) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return judge(-1);
  const Outcome outcome = judge(write(pair[0], "x", 1));
  close(pair[0]);
  close(pair[1]);
  return outcome;
}

Outcome share_memory(const Attempt&) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "memory", MFD_CLOEXEC));
  if (fd < 0 || ftruncate(fd, 1 << 20) != 0) return judge(-1);
  void* at = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return judge(at == MAP_FAILED ? -1 : munmap(at, 1 << 20));
}

// QEMU's emulation translates the guest's code.
Outcome make_code(const Attempt&) {
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return judge(-1);
  std::memcpy(at, "\xb8\x2a\x00\x00\x00\xc3", 6);  // mov $42, %eax; ret
  if (mprotect(at, 4096, PROT_READ | PROT_EXEC) != 0) return judge(-1);
  return reinterpret_cast<int (*)()>(at)() == 42 ? succeeded("") : refused("it returned something else");
}

Outcome wait_for_events(const Attempt&) {
  const int event = eventfd(1, EFD_CLOEXEC);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const int set = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted = {EPOLLIN, {}};
  if (timer < 0 || epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted) != 0) return judge(-1);
  const Outcome outcome = judge(epoll_wait(set, &wanted, 1, 1000) == 1 ? 0 : -1);
  for (const int fd : {event, timer, set}) close(fd);
  return outcome;
}

Outcome open_it(const Attempt& attempt) {
  return judge_open(open_path(attempt.text, static_cast<int>(attempt.number)));
}

Outcome add_filter(const Attempt&) {
  Outcome outcome;
  std::thread([&] {
    sock_filter step = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program = {1, &step};
    outcome = judge(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
  }).join();
  return outcome;
}

Outcome ask_for_limit(const Attempt&) {
  rlimit limit;
  return judge(getrlimit(RLIMIT_NOFILE, &limit));
}

Outcome attach_tap(const Attempt&) {
  if (!options.network) return succeeded("there is no network");
  const int fd = static_cast<int>(open_path("/dev/net/tun", O_RDWR));
  ifreq request = {};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  std::strcpy(request.ifr_name, "tap0");
  const Outcome outcome = judge(fd < 0 ? fd : ioctl(fd, TUNSETIFF, &request));
  close(fd);
  return outcome;
}

int exit_with_42(const Attempt&) {
  return 42;
}

Outcome fork_and_wait(const Attempt& attempt) {
  if (!options.qemu) return succeeded("only QEMU is forked");
  return in_child(exit_with_42, attempt) == 42 ? succeeded("") : refused("the child did not run");
}

Outcome have_executed(const Attempt&) {
  return succeeded("");
}  // or the probe would not have come here

constexpr Attempt kAllowed[] = {
    {"execute-what-was-asked-for", have_executed},
    {"thread", start_thread},
    {"read-immutable", read_immutable},
    {"translated-code", make_code},
    {"log", open_it, O_WRONLY, "/vm/log"},
    {"private-disk", open_it, O_RDWR, "/vm/rootfs.ext4"},
    {"null-device", open_it, O_RDWR, "/dev/null"},
    {"random-device", open_it, O_RDONLY, "/dev/urandom"},
    {"own-status", open_it, O_RDONLY, "/proc/self/status"},
    {"own-filter", add_filter},
    {"ask-for-limit", ask_for_limit},
    {"name-of-thread", [](auto&) { return judge(prctl(PR_SET_NAME, "probe", 0, 0, 0)); }},
    {"tap-of-guest", attach_tap},
};

constexpr Attempt kAllowedToFirstProcess[] = {
    {"events", wait_for_events},
    {"fork-qemu", fork_and_wait},
    {"file-in-vm", write_file},
    {"folders-links-fifos-in-vm", make_entries},
    {"unix-socket", serve_unix_socket},
    {"socket-pair", pair_sockets},
    {"memory-file", share_memory},
    {"tie-to-monitor", [](auto&) { return judge(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)); }},
};

}  // namespace

Attempts allowed() {
  return kAllowed;
}

Attempts allowed_to_first_process() {
  return kAllowedToFirstProcess;
}

// An engine whose first thread has ended: its parent's death is that one's to be told.
int outlive() {
  std::thread([] {
    std::printf("probe: alone\n");
    while (true) pause();
  }).detach();
  syscall(SYS_exit, 0);
  return 1;
}

// The monitor connects to what is called api.sock, and ends this as soon as it has seen what that is.
int link_api_socket() {
  std::printf("probe: links its API\n");
  if (symlink(options.host_socket, "api.sock") != 0)
    std::printf("probe: FAILED (%s)\n", strerrorname_np(errno));
  poll(nullptr, 0, 10'000);
  return 0;
}

}  // namespace probe
