#include "disk/write_stamp.h"

#include <sys/stat.h>

#include <chrono>

#include "base/error.h"

namespace knaller::disk {
namespace {

// The clock of file times ticks 100 to 1000 times a second.
constexpr std::chrono::milliseconds kSeveralTicks{30};

struct stat look_at(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) fail_errno("look at a disk");
  return info;
}

bool operator==(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool operator<(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

// The clock that modification times are taken from.
timespec file_time() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

}  // namespace

// A write that begins from here on gives the file a time after modified_. One that began before has ended:
// changing the mode waits for it, since both take the inode's lock.
WriteStamp WriteStamp::take(int fd, const Deadline& deadline) {
  WriteStamp stamp;
  const struct stat info = look_at(fd);
  // A time to come (the host's clock was set back) tells nothing.
  const Deadline longest = deadline.sooner(kSeveralTicks);
  // No timer expires with a clock's tick.
  while (!(info.st_mtim < file_time()) && !longest.expired())
    pause_for(std::chrono::milliseconds(1), longest);
  stamp.modified_ = info.st_mtim;
  stamp.is_certain_ = info.st_mtim < file_time() && ::fchmod(fd, info.st_mode & 07777) == 0;
  return stamp;
}

bool WriteStamp::is_unwritten(int fd) const {
  return is_certain_ && shows_no_write(fd);
}

bool WriteStamp::shows_no_write(int fd) const {
  return look_at(fd).st_mtim == modified_;
}

}  // namespace knaller::disk
