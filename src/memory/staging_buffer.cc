#include "memory/staging_buffer.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/parallel.h"

namespace knaller::memory {
namespace {

constexpr uint64_t kPage = 4096;

char* map_slots(size_t count) {
  void* const slots =
      ::mmap(nullptr, count * kShare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return slots == MAP_FAILED ? nullptr : static_cast<char*>(slots);
}

// Page by page, for MADV_POPULATE_WRITE is of Linux 5.14.
void make_present(char* slots, size_t count) {
  ::madvise(slots, count * kShare, MADV_HUGEPAGE);  // where there are none, small pages do
  for_each_in_parallel(count, [slots](size_t slot) {
    volatile char* const begin = slots + slot * kShare;
    for (size_t at = 0; at < kShare; at += kPage) begin[at] = 0;
  });
}

}  // namespace

StagingBuffer::StagingBuffer(size_t most) {
  if (most == 0) return;
  slots_ = map_slots(most);
  if (slots_ == nullptr) return;
  make_present(slots_, most);
  shares_.resize(most);
}

StagingBuffer::~StagingBuffer() {
  if (slots_ != nullptr) ::munmap(slots_, shares_.size() * kShare);
}

char* StagingBuffer::take(const Extent& share) {
  if (next_ >= shares_.size()) return nullptr;
  const size_t at = next_++;
  if (at >= shares_.size()) return nullptr;
  shares_[at] = share;
  return slots_ + at * kShare;
}

size_t StagingBuffer::size() const {
  return std::min(next_.load(), shares_.size());
}

}  // namespace knaller::memory
