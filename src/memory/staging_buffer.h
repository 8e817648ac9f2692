// Memory that is allocated before it is needed: what is read into it while a guest is paused is written to
// the memory file when the guest runs again. Filling it is several times as fast as filling a file, for each
// of whose pages the kernel first has to find a free one.
#ifndef KNALLER_MEMORY_STAGING_BUFFER_H_
#define KNALLER_MEMORY_STAGING_BUFFER_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/file.h"

namespace knaller::memory {

// Guest memory is looked through and copied in shares of this many bytes, the last one of what is left.
inline constexpr uint64_t kShare = 4 << 20;

class StagingBuffer {
 public:
  struct Part {
    std::vector<Extent> extents;  // of the memory
    const char* bytes = nullptr;  // of all of them, one after the other
  };

  // Of `size` bytes, zeroed and present when this returns; of none where the host has no memory for them.
  explicit StagingBuffer(uint64_t size);
  ~StagingBuffer();
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;

  // Room for the bytes of these extents, one after the other, to be filled by the caller; null when not that
  // much is left. Any thread.
  char* take(std::vector<Extent> extents);

  // What was taken, in no order. Not while another thread takes.
  const std::vector<Part>& parts() const { return parts_; }

 private:
  char* begin_ = nullptr;
  uint64_t size_ = 0;
  std::mutex mutex_;
  uint64_t taken_ = 0;
  std::vector<Part> parts_;
};

}  // namespace knaller::memory

#endif  // KNALLER_MEMORY_STAGING_BUFFER_H_
