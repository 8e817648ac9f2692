#include "disk/instant_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"

namespace knaller::disk {
namespace {

// Of both files: the second-level cache of a core holds them.
constexpr uint64_t kPiece = 64 << 10;
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

// Brings the blocks of `now` that differ from `before` into the target.
uint64_t write_differences(int target, const char* now, const char* before, const Extent& piece) {
  uint64_t changed = 0;
  for (uint64_t at = 0; at < piece.size(); at += kBlockBytes) {
    const size_t size = std::min(kBlockBytes, piece.size() - at);
    if (std::memcmp(now + at, before + at, size) == 0) continue;
    changed += size;
    if (is_zero(now + at, size))
      punch_hole(target, {piece.begin + at, piece.begin + at + size});
    else
      write_at(target, now + at, size, piece.begin + at);
  }
  return changed;
}

}  // namespace

void InstantCopy::copy_ahead(const Deadline& deadline) {
  size_ = file_size(disk_);
  wait_for_a_quiet_start(deadline);
  shares_ = copy_sparse(disk_, target_, size_, deadline).reflinked;
  // Towards the host's disk already, so that there is less to wait for at the end.
  if (!shares_) ::sync_file_range(target_, 0, 0, SYNC_FILE_RANGE_WRITE);
}

// A write that begins from here on gives the disk a modification time after modified_: file times are taken
// from a clock that ticks every few milliseconds, and its next tick is awaited. One that began before has
// ended: changing the mode waits for it, since both take the inode's lock.
void InstantCopy::wait_for_a_quiet_start(const Deadline& deadline) {
  const struct stat info = look_at(disk_);
  // A time to come (the host's clock was set back) tells nothing.
  const Deadline longest = deadline.sooner(kSeveralTicks);
  while (!(info.st_mtim < file_time()) && !longest.expired())
    pause_for(std::chrono::milliseconds(1), longest);
  if (info.st_mtim < file_time() && ::fchmod(disk_, info.st_mode & 07777) == 0) modified_ = info.st_mtim;
}

bool InstantCopy::is_untouched() const {
  return modified_.tv_sec != 0 && look_at(disk_).st_mtim == modified_;
}

void InstantCopy::complete(const Deadline& deadline) {
  if (file_size(disk_) != size_) fail(Code::kCorrupt, "the disk changed its size while it was copied");
  if (shares_) {
    copy_sparse(disk_, target_, size_, deadline);
  } else if (!is_untouched()) {
    const std::vector<Extent> data = data_pieces(disk_, {0, size_}, kPiece);
    punch_new_holes(data, deadline);
    bring_over(data, deadline);
  }
}

// Where the guest discarded blocks, or the engine wrote zeros as holes.
void InstantCopy::punch_new_holes(const std::vector<Extent>& data, const Deadline& deadline) {
  uint64_t at = 0;
  const auto empty = [&](uint64_t end) {
    for (const Extent& old : data_pieces(target_, {at, end}, end)) punch_hole(target_, old);
  };
  for (const Extent& piece : data) {
    deadline.check("a comparison of the disk with its copy");
    if (piece.begin > at) empty(piece.begin);
    at = piece.end;
  }
  if (at < size_) empty(size_);
}

void InstantCopy::bring_over(const std::vector<Extent>& data, const Deadline& deadline) {
  std::atomic<uint64_t> late = 0;
  for_each_in_parallel(data.size(), [&](size_t at) {
    deadline.check("a comparison of the disk with its copy");
    thread_local std::vector<char> now(kPiece);
    thread_local std::vector<char> before(kPiece);
    const Extent& piece = data[at];
    read_at(disk_, now.data(), piece.size(), piece.begin);
    read_at(target_, before.data(), piece.size(), piece.begin);
    late += write_differences(target_, now.data(), before.data(), piece);
  });
  late_ = late;
}

}  // namespace knaller::disk
