#include "vm/snapshots/standstill.h"

#include <poll.h>

#include "base/all_processes.h"
#include "base/error.h"

namespace knaller::vm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kResumeTime{30};

// Why the guest does not run again; nothing when it does.
std::optional<Error> release(monitor::Lease& lease, const std::string& vm) {
  try {
    lease.release(Deadline::after(kResumeTime));
    return std::nullopt;
  } catch (const Error& error) {
    return Error(error.code(), fmt::format("the VM could not be resumed ({})", error.what()),
                 fmt::format("see `knaller inspect {0}`; resume it: knaller resume {0}", vm));
  }
}

}  // namespace

pid_t running_engine(monitor::MonitorClient& monitor, const std::string& vm, const Deadline& deadline) {
  const monitor::Status status = monitor.status(deadline);
  if (status.state == monitor::RunState::kStuck)
    throw Error(Code::kWrongState, fmt::format("its engine does not answer: {}", status.reason),
                fmt::format("see `knaller logs --engine {0}`; end it: knaller stop --force {0}", vm));
  pid_t pid = status.engine_pid;
  while (true) {
    const UniqueFd process = open_pidfd(pid);
    const pid_t now = monitor.status(deadline).engine_pid;
    if (process && now == pid &&
        poll_until(process.get(), POLLIN, Deadline::after(std::chrono::seconds(0))) == 0)
      return pid;
    deadline.check("the guest, which is rebooting");
    pid = now;
  }
}

void hold_still(monitor::Lease& lease, const std::string& vm, const Deadline& limit, Standstill& standstill,
                const std::function<void()>& work) {
  const auto began = Clock::now();
  standstill = {.began = std::chrono::system_clock::now(), .ended = {}};
  std::optional<Error> failure;
  std::exception_ptr thrown;
  try {
    if (!lease.was_paused()) lease.pause(limit);
    work();
  } catch (Error& error) {
    if (error.code() == Code::kTimeout)
      error.with_hint("the VM runs on; allow the pause more time with --max-pause");
    failure = release(lease, vm);
    if (failure) error.in(failure->message()).with_hint(failure->hint());
    thrown = std::current_exception();
  }
  if (!thrown) failure = release(lease, vm);
  if (!failure && !lease.was_paused()) {
    standstill.lasted = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
    standstill.ended = std::chrono::system_clock::now();
  }
  if (thrown) std::rethrow_exception(thrown);
  if (failure) throw *failure;
}

}  // namespace knaller::vm
