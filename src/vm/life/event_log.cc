#include "vm/life/event_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "monitor/vm_event.h"
#include "store/layout.h"

namespace knaller::vm {
namespace {

constexpr size_t kLineLimit = 64 << 10;

UniqueFd open_if_exists(int directory, const char* name) {
  UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno != ENOENT) fail_errno("open '{}'", name);
  return file;
}

bool is_same_file(int a, int b) {
  struct stat one {};
  struct stat other {};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

}  // namespace

// Both of one moment: the one under the first name has it still when the other is open, so nothing was
// rotated between.
EventLog::Pair EventLog::open_both() const {
  while (true) {
    Pair pair;
    pair.current = open_if_exists(directory_.get(), layout::kEvents);
    pair.older = open_if_exists(directory_.get(), layout::kOlderEvents);
    const bool still = pair.current ? is_still_named(directory_.get(), layout::kEvents, pair.current.get())
                                    : !stat_if_exists(directory_.get(), layout::kEvents);
    if (still) return pair;
  }
}

void EventLog::read(const TakeLine& take) {
  if (!file_) begin(take);
  if (!file_) return;
  do {
    drain(file_.get(), offset_, take);
  } while (move_on(take));
}

// Where there is only the older one, a rotation is under way, or the monitor was killed in it.
void EventLog::begin(const TakeLine& take) {
  Pair pair = open_both();
  uint64_t from = 0;
  if (pair.current && pair.older) drain(pair.older.get(), from, take);
  go_on_with(std::move(pair.current ? pair.current : pair.older));
}

void EventLog::go_on_with(UniqueFd file) {
  file_ = std::move(file);
  offset_ = 0;
  if (file_) ++files_;
}

// True when there is a newer file, which is the one to read now.
bool EventLog::move_on(const TakeLine& take) {
  if (!stat_if_exists(directory_.get(), layout::kEvents)) return false;
  if (is_still_named(directory_.get(), layout::kEvents, file_.get())) return false;
  Pair pair = open_both();
  if (!pair.current) return false;
  // Its last words, from before it lost its name; from now on nobody writes to it.
  drain(file_.get(), offset_, take);
  uint64_t from = 0;
  if (pair.older && !is_same_file(pair.older.get(), file_.get())) drain(pair.older.get(), from, take);
  go_on_with(std::move(pair.current));
  return true;
}

void EventLog::drain(int file, uint64_t& offset, const TakeLine& take) {
  char buffer[64 << 10];
  while (true) {
    const ssize_t got = ::pread(file, buffer, sizeof buffer, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("read '{}'", layout::kEvents);
    if (got == 0) return;
    offset += static_cast<uint64_t>(got);
    take_text({buffer, static_cast<size_t>(got)}, take);
  }
}

void EventLog::take_text(std::string_view text, const TakeLine& take) {
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    rest_ += text.substr(0, end);
    text.remove_prefix(end + 1);
    take(rest_);
    rest_.clear();
  }
  rest_ += text.substr(0, kLineLimit - std::min(kLineLimit, rest_.size()));
}

}  // namespace knaller::vm
