#include "memory/staging_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "base/page.h"
#include "base/parallel.h"

namespace knaller::memory {
namespace {

char* map_memory(uint64_t size) {
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

// Page by page, for MADV_POPULATE_WRITE is of Linux 5.14.
void make_present(char* memory, uint64_t size) {
  ::madvise(memory, size, MADV_DONTDUMP);  // a core file of this process is not the guest's memory
  ::madvise(memory, size, MADV_HUGEPAGE);  // where there are none, small pages do
  for_each_in_parallel((size + kShare - 1) / kShare, [&](size_t share) {
    volatile char* const begin = memory;
    const uint64_t end = std::min((share + 1) * kShare, size);
    for (uint64_t at = share * kShare; at < end; at += kPage) begin[at] = 0;
  });
}

}  // namespace

StagingBuffer::StagingBuffer(uint64_t size) {
  if (size == 0) return;
  begin_ = map_memory(size);
  if (begin_ == nullptr) return;
  size_ = size;
  make_present(begin_, size_);
}

StagingBuffer::~StagingBuffer() {
  if (begin_ != nullptr) ::munmap(begin_, size_);
}

char* StagingBuffer::take(std::vector<Extent> extents) {
  const uint64_t bytes = total_bytes(extents);
  const std::lock_guard lock(mutex_);
  if (bytes > size_ - taken_) return nullptr;
  char* const room = begin_ + taken_;
  taken_ += bytes;
  parts_.push_back({std::move(extents), room});
  return room;
}

}  // namespace knaller::memory
