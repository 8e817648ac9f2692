#include "monitor/capped_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"

namespace knaller::monitor {

CappedLog::CappedLog(int dir, std::string name, Begin begin, uint64_t limit)
    : dir_(dir), name_(std::move(name)), limit_(limit) {
  const auto before = stat_if_exists(dir_, name_);
  if (begin == Begin::kAnew && before && before->st_size > 0) rotate();
  open();
}

void CappedLog::open() {
  fd_ = open_at(dir_, name_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
  size_ = file_size(fd_.get());
}

void CappedLog::rotate() {
  if (::renameat(dir_, name_.c_str(), dir_, (name_ + ".1").c_str()) != 0 && errno != ENOENT) {
    fail_errno("rotate '{}'", name_);
  }
}

void CappedLog::append(std::string_view text) {
  try {
    while (!text.empty()) {
      if (size_ >= limit_ / 2) {
        rotate();
        open();
      }
      const auto piece = text.substr(0, static_cast<size_t>(std::max<uint64_t>(limit_ / 2 - size_, 1)));
      write_all(fd_.get(), piece, name_);
      size_ += piece.size();
      text.remove_prefix(piece.size());
    }
    failing_ = false;
  } catch (const Error&) {
    failing_ = true;
  }
}

}  // namespace knaller::monitor
