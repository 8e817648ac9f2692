#include "monitor/alive.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr uint64_t kMonitorByte = 0;
constexpr uint64_t kEngineByte = 1;
// Until a lock is let go, which nothing tells: fcntl(2) waits for one without a deadline, inotify(7) tells of
// the closing of its file just before, and the processes that hold it are known to their monitor only.
constexpr std::chrono::milliseconds kRetry{2};

}  // namespace

bool is_alive(int vm_directory) {
  const UniqueFd fd(::openat(vm_directory, layout::kAlive, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return false;
  if (!fd) fail_errno("open '{}'", layout::kAlive);
  static_assert(kEngineByte == kMonitorByte + 1);
  return is_any_byte_locked(fd.get(), kMonitorByte, 2);
}

bool wait_until_dead(int vm_directory, const Deadline& deadline) {
  while (is_alive(vm_directory)) {
    if (deadline.expired()) return false;
    pause_for(kRetry, deadline);
  }
  return true;
}

UniqueFd lock_monitor_alive(int vm_directory) {
  UniqueFd fd = open_at(vm_directory, layout::kAlive, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!try_lock_byte(fd.get(), kMonitorByte)) {
    throw Error(Code::kBusy, "another monitor runs this VM already");
  }
  return fd;
}

void hold_engine_alive(int fd) {
  if (!try_lock_byte(fd, kEngineByte, LockKind::kShared))
    fail(Code::kBusy, "another engine of this VM is alive");
}

UniqueFd lock_engine_alive(int vm_directory, const Deadline& deadline) {
  UniqueFd fd = open_at(vm_directory, layout::kAlive, O_RDONLY | O_NOFOLLOW);
  // A shared lock would not wait for another one's.
  while (is_byte_locked(fd.get(), kEngineByte) || !try_lock_byte(fd.get(), kEngineByte, LockKind::kShared)) {
    if (deadline.expired()) fail(Code::kBusy, "another engine of this VM is still alive");
    pause_for(kRetry, deadline);
  }
  return fd;
}

}  // namespace knaller::monitor
