// The filter of system calls itself. The monitor names so many refusals and then stops listening; what comes
// last here needs that.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <thread>

#include "probe.h"

namespace probe {
namespace {

constexpr int kMoreThanAreNamed = 100;

void be_refused_often() {
  for (int i = 0; i < kMoreThanAreNamed; ++i) syscall(SYS_personality, ~0u);
}

// One that tells its own listener of unshare(2): of equal answers of several filters the newest one's counts.
long listen_to_unshare() {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, steps};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

// In a thread of its own, for a filter can't be taken off again. EBUSY: the monitor listens.
Outcome own_listener(const Attempt&) {
  be_refused_often();
  Outcome outcome;
  std::thread([&] { outcome = judge_open(listen_to_unshare(), {EBUSY}); }).join();
  return outcome;
}

// Lets the call of another thread go on, as only the monitor may.
bool let_go_on(int listener) {
  seccomp_notif call = {};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return false;
  seccomp_notif_resp response = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

Outcome override_refusal(const Attempt&) {
  be_refused_often();
  int ready[2];
  if (pipe(ready) != 0) return unprepared();
  Outcome outcome;
  std::thread caller([&] {
    const int listener = static_cast<int>(listen_to_unshare());
    outcome = judge(listener, {EBUSY});
    (void)!write(ready[1], &listener, sizeof listener);
    if (listener >= 0) outcome = judge(syscall(SYS_unshare, CLONE_FS));  // harmless, and refused
  });
  int listener = -1;
  if (read(ready[0], &listener, sizeof listener) == sizeof listener && listener >= 0) {
    let_go_on(listener);
    close(listener);  // else the call would wait for ever
  }
  caller.join();
  close(ready[0]);
  close(ready[1]);
  return outcome;
}

Outcome answer_for_others(const Attempt&) {
  seccomp_notif_sizes sizes = {};
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) return judge(-1);
  // A listener that it does not have: that the call is refused is what counts.
  seccomp_notif call = {};
  return judge(ioctl(1, SECCOMP_IOCTL_NOTIF_RECV, &call));
}

// Filters add up.
Outcome allow_in_own_filter(const Attempt&) {
  be_refused_often();
  Outcome outcome;
  std::thread([&] {
    sock_filter step = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program = {1, &step};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
      outcome = judge(-1);
      return;
    }
    outcome = judge(syscall(SYS_unshare, CLONE_FS));
  }).join();
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"filter-answer", answer_for_others},
    {"filter-of-allowing", allow_in_own_filter},
    {"filter-own-listener", own_listener},
    {"filter-override", override_refusal},
};

}  // namespace

Attempts filter() {
  return kAttempts;
}

}  // namespace probe
