#include "vm/life/logs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "monitor/alive.h"
#include "store/layout.h"
#include "store/vm_record.h"
#include "vm/life/list.h"
#include "vm/life/log_parts.h"

namespace knaller::vm {
namespace {

constexpr size_t kLargestLog = 64 << 20;

using Write = std::function<void(std::string_view)>;

// The last `lines` lines of a text, all of it for a negative number.
std::string_view last_lines(std::string_view text, int64_t lines) {
  if (lines < 0) return text;
  if (lines == 0) return {};
  size_t begin = text.size();
  if (begin > 0 && text.back() == '\n') --begin;
  while (lines > 0 && begin > 0) {
    const size_t newline = text.rfind('\n', begin - 1);
    if (--lines == 0) return text.substr(newline == std::string_view::npos ? 0 : newline + 1);
    if (newline == std::string_view::npos) return text;
    begin = newline;
  }
  return text;
}

// Follows one log through its rotations, woken by inotify. A user has few instances of that; where none is
// left, the log is looked at ten times a second.
class LogFollower {
 public:
  // `log` is what has that name, if anything has, and was read up to `offset`.
  LogFollower(int directory, std::string file, UniqueFd log, uint64_t offset, const Write& write)
      : directory_(directory),
        file_(std::move(file)),
        write_(write),
        watch_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        log_(std::move(log)),
        offset_(offset) {
    const std::string path = "/proc/self/fd/" + std::to_string(directory);
    if (watch_ && ::inotify_add_watch(watch_.get(), path.c_str(),
                                      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
      watch_.reset();
  }

  void run(const std::stop_token& stop) {
    while (true) {
      const bool alive = monitor::is_alive(directory_);
      pump();
      if (!alive) return;
      // A monitor that is killed writes nothing more: its end is looked for twice a second.
      const std::chrono::milliseconds pause(watch_ ? 500 : 100);
      if (poll_until(watch_.get(), POLLIN, Deadline::after(pause, stop)) != 0) drain();
    }
  }

 private:
  void reopen() {
    if (!stat_if_exists(directory_, file_)) return;
    log_ = open_at(directory_, file_, O_RDONLY | O_NOFOLLOW);
    offset_ = 0;
  }
  void drain() {
    char events[4096];
    while (::read(watch_.get(), events, sizeof events) > 0) {
    }
  }
  void pump() {
    read_on();
    const auto there = stat_if_exists(directory_, file_);
    struct stat ours {};
    const bool same = log_ && there && ::fstat(log_.get(), &ours) == 0 && ours.st_ino == there->st_ino;
    if (same && static_cast<uint64_t>(ours.st_size) >= offset_) return;
    reopen();
    read_on();
  }
  void read_on() {
    char buffer[65536];
    while (log_) {
      const ssize_t got = ::pread(log_.get(), buffer, sizeof buffer, static_cast<off_t>(offset_));
      if (got <= 0) return;
      offset_ += static_cast<uint64_t>(got);
      write_({buffer, static_cast<size_t>(got)});
    }
  }

  int directory_;
  std::string file_;
  const Write& write_;
  UniqueFd watch_;
  UniqueFd log_;
  uint64_t offset_ = 0;
};

// A start rotates the log, too: what was written last before it is of the run before.
bool is_of_this_run(int older, int directory, const std::string& name) {
  struct stat info {};
  if (::fstat(older, &info) != 0) fail_errno("look at an older log of '{}'", name);
  try {
    const auto since_epoch =
        std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
    return store::read_vm_record(directory, name).started_at < SystemTime(since_epoch);
  } catch (const Error&) {
    return false;  // a VM whose record is broken has a log all the same
  }
}

}  // namespace

void write_logs(const Context& context, const LogOptions& options, const Write& write) {
  const UniqueFd directory = open_vm(context, options.vm);
  const std::string file = options.engine ? layout::kEngineLog : layout::kConsoleLog;
  LogParts parts = open_log_parts(directory.get(), file);
  std::string text;
  if (parts.older && is_of_this_run(parts.older.get(), directory.get(), options.vm))
    text = read_to_end(parts.older.get(), kLargestLog, file);
  const size_t older = text.size();
  if (parts.current) text += read_to_end(parts.current.get(), kLargestLog, file);
  const std::string_view shown = last_lines(text, options.lines);
  if (!shown.empty()) write(shown);
  if (!options.follow) return;
  LogFollower(directory.get(), file, std::move(parts.current), text.size() - older, write).run(options.stop);
}

}  // namespace knaller::vm
