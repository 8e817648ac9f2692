// Memory that is there before it is needed: what is read into it while a guest stands still is written to the
// memory file when the guest runs again. It is filled several times as fast as a file, for whose every page
// the kernel has to find one of the host's first.
#ifndef KNALLER_MEMORY_STAGING_BUFFER_H_
#define KNALLER_MEMORY_STAGING_BUFFER_H_

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace knaller::memory {

// Guest memory is looked through and copied in shares of this many bytes, the last one of what is left.
inline constexpr uint64_t kShare = 4 << 20;

class StagingBuffer {
 public:
  // Of at most `most` slots for a share each, zeroed and present when this returns; of none where the host
  // has no memory for them.
  explicit StagingBuffer(size_t most);
  ~StagingBuffer();
  StagingBuffer(const StagingBuffer&) = delete;
  StagingBuffer& operator=(const StagingBuffer&) = delete;

  // A slot for this share of the memory, to be filled by the caller; null when all are taken. Any thread.
  char* take(const Extent& share);

  // What was taken, in no order. Not while another thread takes.
  size_t size() const;
  const Extent& share(size_t at) const { return shares_[at]; }
  std::string_view bytes(size_t at) const { return {slots_ + at * kShare, shares_[at].size()}; }

 private:
  char* slots_ = nullptr;
  std::vector<Extent> shares_;
  std::atomic<size_t> next_ = 0;
};

}  // namespace knaller::memory

#endif  // KNALLER_MEMORY_STAGING_BUFFER_H_
