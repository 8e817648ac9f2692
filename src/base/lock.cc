#include "base/lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

using std::chrono::microseconds;
using std::chrono::system_clock;

struct flock write_lock(off_t start, off_t length) {
  struct flock lock = {};  // OFD locks demand l_pid == 0
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

bool try_lock(int fd, struct flock lock) {
  while (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) fail_errno("lock a file");
  }
  return true;
}

bool is_locked(int fd, struct flock lock) {
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) fail_errno("look at the locks of a file");
  return lock.l_type != F_UNLCK;
}

// "<time> <pid> <verb>", padded to one length, for messages only: on a full disk it is missing, and the lock
// is held all the same, so that `rm` can make room. Written over what was there, for ext4 flushes a file to
// the disk when it is closed after it was truncated (auto_da_alloc).
void write_holder(int fd, const std::string& verb) {
  constexpr size_t kRecordBytes = 128;
  std::string text = fmt::format("{} {} {}", format_time(system_clock::now()), ::getpid(), printable(verb));
  text.resize(kRecordBytes - 1, ' ');
  text += '\n';
  [[maybe_unused]] const bool written = ::pwrite(fd, text.data(), text.size(), 0) > 0;
}

// "stop (pid 123, for 2 s)". The file is only half to be believed: its holder may just be writing it.
std::string describe_holder(std::string_view text) {
  const auto words = split(trim(text), ' ');
  const auto since = parse_time(words[0]);
  if (!since || words.size() < 3) return "another command";
  const std::string_view verb = trim(text).substr(words[0].size() + words[1].size() + 2);
  const auto held = std::chrono::duration_cast<microseconds>(system_clock::now() - *since);
  return fmt::format("{} (pid {}, for {})", printable(verb), printable(words[1]),
                     format_duration(std::max(held, microseconds(0))));
}

}  // namespace

bool try_lock_byte(int fd, uint64_t byte, LockKind kind) {
  struct flock lock = write_lock(static_cast<off_t>(byte), 1);
  if (kind == LockKind::kShared) lock.l_type = F_RDLCK;
  return try_lock(fd, lock);
}

bool is_byte_locked(int fd, uint64_t byte) {
  return is_any_byte_locked(fd, byte, 1);
}

bool is_any_byte_locked(int fd, uint64_t first, uint64_t count) {
  return is_locked(fd, write_lock(static_cast<off_t>(first), static_cast<off_t>(count)));
}

std::optional<LockFile> LockFile::try_acquire(int dir, const std::string& name, const std::string& verb) {
  UniqueFd folder = open_at(dir, ".", O_PATH | O_DIRECTORY);
  while (true) {
    UniqueFd fd = open_at(folder.get(), name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
    if (!try_lock(fd.get(), write_lock(0, 0))) return std::nullopt;
    // A lock on a file that somebody has unlinked (while holding it) keeps nobody out: the name is free for a
    // new file.
    if (!is_still_named(folder.get(), name, fd.get())) continue;
    write_holder(fd.get(), verb);
    return LockFile(std::move(folder), name, std::move(fd));
  }
}

// fcntl(2) can wait for a lock, but neither until a deadline nor until a stop request; so it is asked again
// and again.
LockFile LockFile::acquire(int dir, const std::string& name, const std::string& verb,
                           const Deadline& deadline,
                           const std::function<void(const std::string& holder)>& on_wait) {
  microseconds pause(500);
  bool told = false;
  while (true) {
    if (auto lock = try_acquire(dir, name, verb)) return std::move(*lock);
    const std::string holder = lock_holder(dir, name);
    if (deadline.expired()) {
      throw Error(Code::kBusy,
                  fmt::format("'{}' is in use by {}", name, holder.empty() ? "another command" : holder),
                  "wait until that command has ended, and try again");
    }
    if (on_wait && !told && !holder.empty()) {
      told = true;
      on_wait(holder);
    }
    pause_for(pause, deadline);
    pause = std::min(pause * 2, microseconds(20'000));
  }
}

std::string lock_holder(int dir, const std::string& name) {
  UniqueFd fd;
  try {
    fd = open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return {};
    throw;
  }
  if (!is_locked(fd.get(), write_lock(0, 0))) return {};
  char text[512];
  const size_t size = read_up_to(fd.get(), text, sizeof text, name);
  return describe_holder(std::string_view(text, size));
}

}  // namespace knaller
