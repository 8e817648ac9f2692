#include "base/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace knaller {

FileWatch::FileWatch() : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (fd_) return;
  const int saved_errno = errno;
  Error error = errno_error(saved_errno, "watch files");
  if (saved_errno == EMFILE)
    throw Error(Code::kExhausted, error.message(),
                "this user has no inotify instances left; allow more with: sudo sysctl "
                "fs.inotify.max_user_instances=1024");
  throw error;
}

int FileWatch::add(int fd, uint32_t mask) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), mask);
  if (watch >= 0) return watch;
  const int saved_errno = errno;
  Error error = errno_error(saved_errno, "watch a file");
  if (saved_errno == ENOSPC)
    throw Error(Code::kExhausted, error.message(),
                "this user has no inotify watches left; allow more with: sudo sysctl "
                "fs.inotify.max_user_watches=65536");
  throw error;
}

void FileWatch::remove(int watch) {
  if (watch >= 0) ::inotify_rm_watch(fd_.get(), watch);
}

std::vector<FileWatch::Change> FileWatch::read() {
  std::vector<Change> changes;
  alignas(inotify_event) char buffer[16 << 10];
  while (true) {
    const ssize_t got = ::read(fd_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return changes;
    if (got < 0) fail_errno("read what has changed");
    for (size_t at = 0; at < static_cast<size_t>(got);) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      Change change{.watch = event.wd, .mask = event.mask, .name = {}};
      if (event.len > 0) change.name = buffer + at + sizeof event;  // ended by a zero byte
      changes.push_back(std::move(change));
      at += sizeof event + event.len;
    }
  }
}

}  // namespace knaller
