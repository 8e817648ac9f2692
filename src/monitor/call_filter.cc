#include "monitor/call_filter.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <span>

#include "base/error.h"

namespace knaller::monitor {
namespace {

#include "call_filters.inc"

// A hostile engine could keep the monitor busy with answers: after these it is the kernel that answers.
constexpr int kMostNamed = 64;

long install(std::span<const sock_filter> steps, unsigned flags) {
  const sock_fprog program = {static_cast<unsigned short>(steps.size()),
                              const_cast<sock_filter*>(steps.data())};  // the kernel only reads it
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

struct Filter {
  std::span<const sock_filter> told;   // with a listener
  std::span<const sock_filter> plain;  // without
  int executions;                      // knaller-qemu executes QEMU once
};

Filter steps_of(CallFilter filter) {
  switch (filter) {
    case CallFilter::kFirecracker:
      return {kFirecrackerTold, kFirecrackerPlain, 1};
    case CallFilter::kQemu:
      return {kQemuTold, kQemuPlain, 2};
  }
  fail(Code::kInternal, "call filter {} does not exist", static_cast<int>(filter));
}

}  // namespace

UniqueFd install_call_filter(CallFilter filter) {
  const Filter steps = steps_of(filter);
  UniqueFd listener(static_cast<int>(install(steps.told, SECCOMP_FILTER_FLAG_NEW_LISTENER)));
  if (listener) return listener;
  if (errno != EBUSY) fail_errno("filter the engine's system calls");
  if (install(steps.plain, 0) != 0) fail_errno("filter the engine's system calls");
  return {};
}

CallGuard::CallGuard(UniqueFd listener, CallFilter filter, std::function<void(std::string_view)> log)
    : listener_(std::move(listener)), log_(std::move(log)), executions_left_(steps_of(filter).executions) {}

bool CallGuard::answer() {
  seccomp_notif call = {};
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
    if (errno == EINTR || errno == ENOENT) return true;  // whoever made the call was killed meanwhile
    listener_.reset();
    return false;
  }
  seccomp_notif_resp response = {.id = call.id, .val = 0, .error = -EPERM, .flags = 0};
  if (may_go_on(call.data))
    response = {.id = call.id, .val = 0, .error = 0, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno != ENOENT)
    fail_errno("answer for a system call of the engine");
  if (named_ < kMostNamed) return true;
  log_("knaller-monitor: further system calls of the engine are refused without being named\n");
  listener_.reset();
  return false;
}

// Only while the engine is still the program that was asked for: the arguments of a call that goes on may be
// changed after they were looked at, so whose call it is decides, and not what it says.
bool CallGuard::may_go_on(const seccomp_data& call) {
  if (call.nr == SYS_execve && executions_left_ > 0) {
    --executions_left_;
    return true;
  }
  ++named_;
  log_(fmt::format("knaller-monitor: the engine's system call {}({:#x}, {:#x}, …) was refused\n",
                   call_name(call.nr), call.args[0], call.args[1]));
  return false;
}

std::string call_name(int number) {
  const bool known =
      number >= 0 && static_cast<size_t>(number) < std::size(kCallNames) && kCallNames[number] != nullptr;
  return known ? std::string(kCallNames[number]) : fmt::format("call {}", number);
}

}  // namespace knaller::monitor
