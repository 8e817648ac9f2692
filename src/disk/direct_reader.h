// Reads a file past the page cache (O_DIRECT): what is read is not in it afterwards, and what was there
// stays.
#ifndef KNALLER_DISK_DIRECT_READER_H_
#define KNALLER_DISK_DIRECT_READER_H_

#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/file.h"

namespace knaller::disk {

class DirectReader {
 public:
  // Nothing where the file system can't. `fd` may be closed afterwards.
  static std::optional<DirectReader> open(int fd);

  // Reads a stretch that begins at a page boundary and has at most kMost bytes; kCorrupt when the file ends
  // in it. The bytes stay valid for the calling thread until it reads again. Threads can read at once.
  std::span<const char> read(const Extent& extent) const;

  static constexpr uint64_t kMost = 1 << 20;

 private:
  explicit DirectReader(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_DIRECT_READER_H_
