#include "disk/touched_pages.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/lock.h"
#include "base/text.h"
#include "disk/hole_marks.h"

namespace knaller::disk {
namespace {

constexpr size_t kLargestVmstat = 64 << 10;
// Each processor adds its part to the kernel's counts of memory once a second.
constexpr std::chrono::milliseconds kUntilCounted{1200};

// File systems that keep what is written in the page cache of the very file that is asked about, and have
// pages leave it only as is expected here. On overlayfs, for one, they are another file's.
bool is_known_file_system(int fd) {
  struct statfs system = {};
  if (::fstatfs(fd, &system) != 0) fail_errno("look at a disk's file system");
  return system.f_type == EXT4_SUPER_MAGIC || system.f_type == XFS_SUPER_MAGIC;
}

// Whether a page that is written is seen, and one that is dropped no more.
bool is_shown(int scratch, CacheQuery query) {
  const Deadline never = Deadline::never();
  const std::string page(kBlockBytes, 'x');
  const std::vector<Extent> all = {{0, page.size()}};
  bool shown = false;
  try {
    write_at(scratch, page.data(), page.size(), 0);
    shown = cached_pages(scratch, page.size(), query, never) == all;
    drop_cached_pages(scratch, all);
    shown = shown && cached_pages(scratch, page.size(), query, never).empty();
  } catch (const Error&) {
    shown = false;  // a full file system is told of by whoever has to write there
  }
  if (::ftruncate(scratch, 0) != 0) fail_errno("empty a file");
  return shown;
}

// Whoever drops pages of this file by his own wish, as some backup programs do, has to open it first.
UniqueFd watch_for_opens(int file) {
  UniqueFd opens(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (opens && ::inotify_add_watch(opens.get(), fmt::format("/proc/self/fd/{}", file).c_str(), IN_OPEN) < 0)
    opens.reset();
  return opens;
}

// With a description of its own, whose lock ends with it.
UniqueFd tell_engine(int file) {
  UniqueFd lock(::open(fmt::format("/proc/self/fd/{}", file).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (lock && !try_lock_byte(lock.get(), KNALLER_WATCH_BYTE, LockKind::kShared)) lock.reset();
  return lock;
}

uint64_t count_in(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    const size_t space = line.find(' ');
    if (line.substr(0, space) != name) continue;
    if (const auto count = parse_integer(trim(line.substr(space)), 0, INT64_MAX))
      return static_cast<uint64_t>(*count);
  }
  fail(Code::kUnsupported, "/proc/vmstat has no '{}'", name);
}

}  // namespace

TouchedPages::Losses TouchedPages::count_losses() {
  const std::string text = read_file("/proc/vmstat", kLargestVmstat);
  return {.dropped = count_in(text, "drop_pagecache"),
          .reclaimed = count_in(text, "pgsteal_file"),
          .unmarked = count_in(text, "workingset_nodereclaim")};
}

std::unique_ptr<TouchedPages> TouchedPages::watch(int file, uint64_t size, int scratch, uint64_t marks_kept) {
  auto best = watch_by(CacheQuery::kStatistics, file, size, scratch, marks_kept);
  return best ? std::move(best) : watch_by(CacheQuery::kResidency, file, size, scratch);
}

std::unique_ptr<TouchedPages> TouchedPages::watch_by(CacheQuery query, int file, uint64_t size, int scratch,
                                                     uint64_t marks_kept) {
  if (!is_known_file_system(file) || !is_shown(scratch, query)) return nullptr;
  try {
    UniqueFd lock = tell_engine(file);
    UniqueFd opens = watch_for_opens(file);  // by others than tell_engine()
    if (!lock || !opens) return nullptr;
    return std::unique_ptr<TouchedPages>(
        new TouchedPages(file, size, query, marks_kept, std::move(lock), std::move(opens)));
  } catch (const Error&) {
    return nullptr;  // a kernel, or a container, that does not count
  }
}

std::vector<Extent> TouchedPages::all(const Deadline& deadline) const {
  std::vector<Extent> touched = cached_pages(file_, size_, query_, deadline);
  looked_ = std::chrono::steady_clock::now();
  return touched;
}

bool TouchedPages::is_complete() const {
  const Losses now = count_losses();
  if (now.dropped != before_.dropped || was_opened()) return false;
  if (now.reclaimed == before_.reclaimed) return true;
  return query_ == CacheQuery::kStatistics && has_marks(now);
}

bool TouchedPages::was_complete(const Deadline& deadline) const {
  const Losses now = count_losses();
  if (now.reclaimed == before_.reclaimed) return true;
  pause_for(std::chrono::duration_cast<std::chrono::microseconds>(looked_ + kUntilCounted -
                                                                  std::chrono::steady_clock::now()),
            deadline);
  return has_marks(count_losses());
}

bool TouchedPages::was_opened() const {
  int unread = 0;  // bytes of events
  if (::ioctl(opens_.get(), FIONREAD, &unread) != 0) fail_errno("ask who opened a disk");
  return unread > 0;
}

}  // namespace knaller::disk
