#include "image/guest/supervise.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "agent/control_link.h"
#include "agent/keeper.h"
#include "image/guest/disks.h"
#include "image/guest/network.h"

namespace knaller::guest_helper {
namespace {

constexpr unsigned kSshPort = 22;
constexpr long kMillisecond = 1'000'000;
// Processes get the time that they need to save what they have. How much that is, the host knows: it asks
// again when only a little of it is left. Nobody does when the guest's own command ends it; then it is
// systemd's default.
constexpr int kTermWaitMilliseconds = 90'000;
constexpr int kAskedTermWaitMilliseconds = 3600'000;
constexpr int kKillWaitMilliseconds = 1000;
// After the end of a process, which may have been the agent's: how long, and how often.
constexpr int kAgentMilliseconds = 1000;
constexpr int kLookForAgentMilliseconds = 50;

enum class End { kAsked, kPowerOff, kReboot };

const char* const kStartScript[] = {"/etc/init.d/rcS", nullptr};
const char* const kSshServer[] = {
    "/usr/sbin/dropbear", "-F", "-s", "-r", "/etc/dropbear/dropbear_ed25519_host_key", nullptr};

long long now_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / kMillisecond;
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&set, number);
  return set;
}

// The signal that came; -1 when none did in time. A negative time is for ever.
int next_signal(long milliseconds) {
  const sigset_t set = watched_signals();
  if (milliseconds < 0) return sigwaitinfo(&set, nullptr);
  const timespec limit = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * kMillisecond};
  return sigtimedwait(&set, nullptr, &limit);
}

pid_t start(const char* const argv[], bool quiet) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  const int null = open("/dev/null", O_RDWR);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    // The console is for knaller's lines and the kernel's, not for a log of every connection.
    if (quiet) {
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
    }
    if (null > STDERR_FILENO) close(null);
  }
  execv(argv[0], const_cast<char* const*>(argv));
  _exit(127);
}

class Supervisor {
 public:
  End run();

 private:
  void run_start_script();
  bool reap();  // false when there are no children at all
  void keep_ssh_server();
  void bring_back_agent() const;
  long wait_milliseconds() const;

  pid_t script_ = -1;
  pid_t ssh_server_ = -1;
  long long started_at_ = 0;
  bool announced_ = false;
  long long look_for_agent_until_ = 0;
};

bool Supervisor::reap() {
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid < 0) return errno != ECHILD;
    if (pid == 0) return true;
    if (pid == script_) script_ = -1;
    if (pid == ssh_server_) ssh_server_ = -1;
    look_for_agent_until_ = now_milliseconds() + kAgentMilliseconds;
  }
}

// Whoever killed every process (killall5) would have locked himself out. The kernel takes a moment to give
// the device back.
void Supervisor::bring_back_agent() const {
  if (now_milliseconds() < look_for_agent_until_ && agent::has_control_link())
    agent::leave_agent(agent::When::kLater);
}

void Supervisor::run_start_script() {
  script_ = start(kStartScript, false);
  if (script_ < 0) std::perror("knaller: cannot run /etc/init.d/rcS");
}

// Not more often than once a second: a server that can't start must not eat the guest's only CPU.
void Supervisor::keep_ssh_server() {
  if (ssh_server_ > 0 || (started_at_ != 0 && now_milliseconds() - started_at_ < 1000)) return;
  started_at_ = now_milliseconds();
  ssh_server_ = start(kSshServer, true);
}

long Supervisor::wait_milliseconds() const {
  const long others = now_milliseconds() < look_for_agent_until_ ? kLookForAgentMilliseconds : -1;
  if (script_ > 0) return others;
  if (ssh_server_ <= 0) return others > 0 ? others : 1000;
  return announced_ ? others : 5;
}

End Supervisor::run() {
  run_start_script();
  for (;;) {
    if (script_ <= 0) keep_ssh_server();
    bring_back_agent();
    if (!announced_ && ssh_server_ > 0 && is_listening(kSshPort)) {
      settle_host_key();
      std::puts("\nknaller: ready");
      std::fflush(stdout);
      announced_ = true;
    }
    const int signal = next_signal(wait_milliseconds());
    if (signal == SIGINT) return End::kAsked;
    if (signal == SIGUSR1 || signal == SIGUSR2) return End::kPowerOff;
    if (signal == SIGTERM) return End::kReboot;
    reap();
  }
}

// True when the last process (kernel threads are nobody's children) has ended; false when the time is over,
// or the host asks again.
bool wait_for_all(int milliseconds) {
  const long long until = now_milliseconds() + milliseconds;
  for (;;) {
    pid_t pid = 0;
    while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (pid < 0 && errno == ECHILD) return true;
    const long left = static_cast<long>(until - now_milliseconds());
    if (left <= 0 || next_signal(left) == SIGINT) return false;
  }
}

void end_all_processes(End end) {
  kill(-1, SIGTERM);
  kill(-1, SIGCONT);
  if (wait_for_all(end == End::kAsked ? kAskedTermWaitMilliseconds : kTermWaitMilliseconds)) return;
  kill(-1, SIGKILL);
  wait_for_all(kKillWaitMilliseconds);
}

}  // namespace

void supervise() {
  const sigset_t set = watched_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  reboot(RB_DISABLE_CAD);  // Ctrl+Alt+Del is a signal, not an immediate reset
  const End end = Supervisor().run();
  end_all_processes(end);
  close_disks();
  if (end != End::kReboot) power_off();
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}

}  // namespace knaller::guest_helper
