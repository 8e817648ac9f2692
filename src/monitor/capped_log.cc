#include "monitor/capped_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

// What was being left out is written again in stretches of half a second, not in single words.
constexpr double kLeastStretch = 0.5;

}  // namespace

CappedLog::CappedLog(int dir, std::string name, const Options& options)
    : dir_(dir), name_(std::move(name)), options_(options), budget_(static_cast<double>(options.rate.burst)) {
  const auto before = stat_if_exists(dir_, name_);
  if (options_.begin == Begin::kAnew && before && before->st_size > 0) rotate();
  open();
}

void CappedLog::open() {
  fd_ = open_at(dir_, name_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
  size_ = file_size(fd_.get());
  room_until_ = size_;
  keep_room();
}

// Beyond its end, where nobody sees it. Anew when half of it is used up, so that it is seldom.
void CappedLog::keep_room() {
  if (options_.ahead == 0 || room_until_ >= size_ + options_.ahead / 2) return;
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_),
                  static_cast<off_t>(options_.ahead)) == 0)
    room_until_ = size_ + options_.ahead;
}

void CappedLog::rotate() {
  if (::renameat(dir_, name_.c_str(), dir_, layout::older_part(name_).c_str()) != 0 && errno != ENOENT) {
    fail_errno("rotate '{}'", name_);
  }
}

void CappedLog::append(std::string_view text, Clock::time_point now) {
  if (!has_budget(text.size(), now)) {
    left_out_ += text.size();
    return;
  }
  note_left_out();
  write(text);
}

bool CappedLog::has_budget(uint64_t bytes, Clock::time_point now) {
  const double rate = static_cast<double>(options_.rate.per_second);
  const std::chrono::duration<double> since = now - std::exchange(refilled_, now);
  budget_ = std::min(static_cast<double>(options_.rate.burst), budget_ + since.count() * rate);
  const double needed = std::max(static_cast<double>(bytes), left_out_ > 0 ? rate * kLeastStretch : 0);
  if (budget_ < needed) return false;
  budget_ -= static_cast<double>(bytes);
  return true;
}

void CappedLog::note_left_out() {
  if (left_out_ > 0)
    write(fmt::format("\n[knaller: {} bytes were dropped here, they came too fast]\n",
                      std::exchange(left_out_, 0)));
}

void CappedLog::end_gap(std::string_view tail) {
  if (left_out_ == 0) return;
  tail.remove_prefix(tail.size() - std::min<uint64_t>(tail.size(), left_out_));
  left_out_ -= tail.size();
  note_left_out();
  write(tail);
}

void CappedLog::write(std::string_view text) {
  const uint64_t room_needed = options_.whole ? std::min<uint64_t>(text.size(), options_.limit / 2) : 1;
  try {
    while (!text.empty()) {
      if (size_ > 0 && size_ + room_needed > options_.limit / 2) {
        rotate();
        open();
      }
      const auto piece =
          text.substr(0, static_cast<size_t>(std::max<uint64_t>(options_.limit / 2 - size_, 1)));
      write_all(fd_.get(), piece, name_);
      size_ += piece.size();
      text.remove_prefix(piece.size());
      keep_room();
    }
    failing_ = false;
  } catch (const Error&) {
    failing_ = true;
    // Some of it may have been written.
    struct stat status {};
    if (fd_ && ::fstat(fd_.get(), &status) == 0) size_ = static_cast<uint64_t>(status.st_size);
  }
}

}  // namespace knaller::monitor
