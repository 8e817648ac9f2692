#include "memory/process_file.h"

#include <unistd.h>

#include <cerrno>

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

}  // namespace knaller::memory
