#include "agent/keeper.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "agent/control_link.h"
#include "agent/server.h"

namespace knaller::agent {
namespace {

constexpr rlim_t kFiles = 4096;

void write_to(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, text, std::strlen(text));
  close(fd);
}

// Of memory it takes little, and without it nobody can look why there is none.
void become_hard_to_kill() {
  write_to("/proc/self/oom_score_adj", "-1000");
  const rlimit files = {kFiles, kFiles};
  setrlimit(RLIMIT_NOFILE, &files);
}

void give_up_console() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
  if (null > 2) close(null);
}

// The initramfs is nobody's guest: whoever connects before the root file system is there waits for it.
bool is_in_initramfs() {
  struct stat own {
  }, of_init{};
  return stat("/", &own) == 0 && stat(Guest().root.c_str(), &of_init) == 0 && own.st_dev == of_init.st_dev &&
         own.st_ino == of_init.st_ino;
}

void pause_for(long milliseconds) {
  const timespec time = {.tv_sec = 0, .tv_nsec = milliseconds * 1'000'000};
  nanosleep(&time, nullptr);
}

pid_t start_agent(int listener) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // one agent at a time
  _exit(serve(listener, Guest()));
}

// Waits for the next of two signals; all are blocked. The agent's end is the second one, so that it is not
// seen before what init says to both.
bool init_ends_the_guest() {
  static_assert(SIGTERM < SIGCHLD);
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGTERM);
  sigaddset(&watched, SIGCHLD);
  siginfo_t info{};
  return sigwaitinfo(&watched, &info) == SIGTERM && info.si_pid == kInit;
}

// Until the guest ends.
void keep_serving(int listener) {
  for (bool guest_ends = false; !guest_ends;) {
    const pid_t agent = start_agent(listener);
    for (bool ended = agent < 0; !ended; ended = waitpid(agent, nullptr, WNOHANG) == agent)
      guest_ends = init_ends_the_guest() || guest_ends;
    // One that can't run must not take the guest's only processor.
    if (!guest_ends) pause_for(200);
  }
}

// A program that is executed anew has a name of its own in every list of processes. systemd, when it ends the
// machine, leaves processes alone whose name begins so, since they may hold the root file system, and does
// not wait for them.
[[noreturn]] void execute_agent(int listener, When when) {
  fcntl(listener, F_SETFD, 0);
  const std::string descriptor = std::to_string(listener);
  const char* const argv[] = {"@knaller-agent", when == When::kAtBoot ? kKeepAtBoot : kKeepLater,
                              descriptor.c_str(), nullptr};
  const char* const environment[] = {nullptr};
  execve("/proc/self/exe", const_cast<char* const*>(argv), const_cast<char* const*>(environment));
  _exit(1);
}

}  // namespace

void leave_agent(When when) {
  std::string failed;
  const int listener = listen_on_control_link(&failed);
  if (listener < 0) {
    // A VM of an older knaller has no such device.
    if (errno != ENODEV)
      std::fprintf(stderr, "\nknaller: could not %s: %s; there is no way in\n", failed.c_str(),
                   std::strerror(errno));
    return;
  }
  const pid_t pid = fork();
  if (pid == 0) execute_agent(listener, when);
  close(listener);
}

// With mounts of its own: the kernel's file systems stay where they are for it, whatever the guest makes of
// its own.
void keep(int listener, When when) {
  fcntl(listener, F_SETFD, FD_CLOEXEC);
  setsid();
  if (unshare(CLONE_NEWNS) == 0) mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  become_hard_to_kill();
  give_up_console();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  while (when == When::kAtBoot && is_in_initramfs()) pause_for(5);
  keep_serving(listener);
  _exit(0);
}

}  // namespace knaller::agent
