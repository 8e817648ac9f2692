#include "memory/process_file.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace knaller::memory {

bool read_whole(int fd, void* buffer, size_t size, off_t at) {
  for (size_t done = 0; done < size;) {
    errno = 0;
    const ssize_t got =
        ::pread(fd, static_cast<char*>(buffer) + done, size - done, at + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

void read_or_fail(int fd, void* buffer, size_t size, off_t at, std::string_view what) {
  if (read_whole(fd, buffer, size, at)) return;
  if (errno != 0) fail_errno("{}", what);
  fail(Code::kIo, "cannot {}: the process has ended", what);
}

}  // namespace knaller::memory
