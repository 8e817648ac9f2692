#include "disk/disk_bytes.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace knaller::disk {
namespace {

constexpr std::array<unsigned char, 4> kJournalMagic = {0xc0, 0x3b, 0x39, 0x98};

}  // namespace

DiskBytes::DiskBytes(UniqueFd file, std::string what) : file_(std::move(file)), what_(std::move(what)) {
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0) fail_errno("look at {}", what_);
  if (!S_ISREG(info.st_mode)) fail(Code::kCorrupt, "{} is not a regular file", what_);
  size_ = static_cast<uint64_t>(info.st_size);
}

void DiskBytes::lay_over(std::map<uint64_t, Replayed> blocks, uint32_t block_bytes) {
  replayed_ = std::move(blocks);
  block_bytes_ = block_bytes;
}

uint64_t DiskBytes::data_bytes() const {
  uint64_t sum = 0;
  for (const Extent& piece : data_pieces(file_.get(), {0, size_}, size_)) sum += piece.size();
  return sum;
}

std::vector<Extent> DiskBytes::data_in(const Extent& within) const {
  // What the journal has may lie in a hole.
  const auto next = replayed_.lower_bound(within.begin / block_bytes_);
  if (next != replayed_.end() && next->first * block_bytes_ < within.end) return {within};
  const Extent inside{within.begin, std::min(within.end, size_)};
  if (inside.begin >= inside.end) return {within};  // read() will say so
  return data_pieces(file_.get(), inside, size_);
}

void DiskBytes::read(char* buffer, size_t size, uint64_t offset) const {
  const uint64_t end = offset + size;
  uint64_t at = offset;
  while (at < end) {
    const auto next = replayed_.lower_bound(at / block_bytes_);
    if (next != replayed_.end() && next->first == at / block_bytes_) {
      const uint64_t skip = at % block_bytes_;
      const uint64_t count = std::min<uint64_t>(block_bytes_ - skip, end - at);
      read_replayed(buffer + (at - offset), count, skip, next->second);
      at += count;
      continue;
    }
    const uint64_t until =
        next == replayed_.end() ? end : std::min(end, next->first * uint64_t{block_bytes_});
    read_file(buffer + (at - offset), until - at, at);
    at = until;
  }
}

void DiskBytes::read_file(char* buffer, size_t size, uint64_t offset) const {
  if (offset > size_ || size > size_ - offset)
    fail(Code::kCorrupt, "the file system in {} is damaged: it goes beyond the disk's end", what_);
  read_at(file_.get(), buffer, size, offset);
}

void DiskBytes::read_replayed(char* buffer, size_t size, uint64_t skip, const Replayed& block) const {
  read_file(buffer, size, block.from + skip);
  if (!block.escaped) return;
  for (uint64_t i = skip; i < std::min<uint64_t>(kJournalMagic.size(), skip + size); ++i)
    buffer[i - skip] = static_cast<char>(kJournalMagic[i]);
}

}  // namespace knaller::disk
