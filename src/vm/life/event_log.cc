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
#include "vm/life/log_parts.h"

namespace knaller::vm {
namespace {

constexpr size_t kLineLimit = 64 << 10;

bool is_same_file(int a, int b) {
  struct stat one {};
  struct stat other {};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

}  // namespace

void EventLog::read(const TakeLine& take) {
  if (!file_) begin(take);
  if (!file_) return;
  do {
    drain(file_.get(), offset_, take);
  } while (move_on(take));
}

void EventLog::begin(const TakeLine& take) {
  LogParts parts = open_log_parts(directory_.get(), layout::kEvents);
  uint64_t from = 0;
  if (parts.current && parts.older) drain(parts.older.get(), from, take);
  go_on_with(std::move(parts.current ? parts.current : parts.older));
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
  LogParts parts = open_log_parts(directory_.get(), layout::kEvents);
  if (!parts.current) return false;
  // Its last words, from before it lost its name; from now on nobody writes to it.
  drain(file_.get(), offset_, take);
  uint64_t from = 0;
  if (parts.older && !is_same_file(parts.older.get(), file_.get())) drain(parts.older.get(), from, take);
  go_on_with(std::move(parts.current));
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
