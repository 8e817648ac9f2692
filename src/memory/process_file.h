#ifndef KNALLER_MEMORY_PROCESS_FILE_H_
#define KNALLER_MEMORY_PROCESS_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string_view>

namespace knaller::memory {

// Reads /proc/PID/mem or pagemap, whose reads may be interrupted or short. False with errno, which is 0 at
// the end of the file.
bool read_whole(int fd, void* buffer, size_t size, off_t at);
// The same; throws "cannot <what>: …". These files end when the process does.
void read_or_fail(int fd, void* buffer, size_t size, off_t at, std::string_view what);

}  // namespace knaller::memory

#endif  // KNALLER_MEMORY_PROCESS_FILE_H_
