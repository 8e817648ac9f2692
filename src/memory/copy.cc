// Guest memory into a memory file: what changed, while the guest stands still; the rest when it runs again.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/text.h"
#include "memory/guest_memory.h"

namespace knaller::memory {
namespace {

// Stays in a core's second-level cache between the read and the write.
constexpr uint64_t kCopiedAtOnce = 256 << 10;

std::vector<Extent> shares_of(uint64_t size) {
  std::vector<Extent> shares;
  for (uint64_t at = 0; at < size; at += kShare) shares.push_back({at, std::min(at + kShare, size)});
  return shares;
}

std::vector<Extent> joined(const std::vector<std::vector<Extent>>& lists) {
  std::vector<Extent> all;
  for (const auto& list : lists) {
    for (const Extent& extent : list) append(all, extent);
  }
  return all;
}

// One a thread: a fresh buffer for every piece would cost a page fault for every page.
char* piece_buffer() {
  thread_local std::vector<char> buffer(kCopiedAtOnce);
  return buffer.data();
}

// Together as many bytes as a buffer holds: a guest changes single pages here and there, and one call reads
// many.
std::vector<std::vector<Extent>> cut(const std::vector<Extent>& extents) {
  std::vector<std::vector<Extent>> batches;
  uint64_t room = 0;
  for (const Extent& extent : extents) {
    for (uint64_t at = extent.begin; at < extent.end;) {
      if (room == 0) {
        batches.emplace_back();
        room = kCopiedAtOnce;
      }
      const uint64_t end = std::min(at + room, extent.end);
      batches.back().push_back({at, end});
      room -= end - at;
      at = end;
    }
  }
  return batches;
}

// A share that is staged is written and hashed as a whole, whatever is in it.
bool is_worth_staging(const std::vector<Extent>& extents, const Extent& share) {
  return total_bytes(extents) >= share.size() / 2;
}

// Where the file system shares extents, nothing is copied. Any refusal means that it can't.
bool share_extent(int from, int to, const Extent& piece) {
  file_clone_range range = {};
  range.src_fd = from;
  range.src_offset = piece.begin;
  range.src_length = piece.size();
  range.dest_offset = piece.begin;
  return ::ioctl(to, FICLONERANGE, &range) == 0;
}

void copy_piece(int from, int to, const Extent& piece) {
  char* const buffer = piece_buffer();
  read_at(from, buffer, piece.size(), piece.begin);
  write_nonzero(to, buffer, piece.size(), piece.begin);
}

void copy_pieces(int from, int to, const std::vector<Extent>& pieces, const Deadline& deadline) {
  for_each_in_parallel(pieces.size(), [&](size_t at) {
    deadline.check("a copy of guest memory");
    copy_piece(from, to, pieces[at]);
  });
}

std::vector<Extent> data_outside(int file, uint64_t size, const std::vector<Extent>& done, uint64_t most) {
  std::vector<Extent> pieces;
  uint64_t at = 0;
  const auto add = [&](uint64_t end) {
    if (at >= end) return;
    const auto more = data_pieces(file, {at, end}, most);
    pieces.insert(pieces.end(), more.begin(), more.end());
  };
  for (const Extent& extent : done) {
    add(extent.begin);
    at = extent.end;
  }
  add(size);
  return pieces;
}

}  // namespace

uint64_t GuestMemory::changed_bytes(const Deadline& deadline) const {
  if (backing_ == Backing::kShared) return allocated_bytes(shared_.get());
  uint64_t bytes = 0;
  for (const Extent& share : shares_of(size_)) {
    deadline.check("reading which pages of the guest changed");
    bytes += total_bytes(changed_in(share));
  }
  return bytes;
}

// Of a memfd, each look for the end of data goes through all of it.
std::vector<std::vector<Extent>> GuestMemory::changed_by_share() const {
  std::vector<std::vector<Extent>> changed((size_ + kShare - 1) / kShare);
  if (backing_ != Backing::kShared) return changed;
  for (const Extent& data : data_pieces(shared_.get(), {0, size_}, size_)) {
    for (uint64_t at = data.begin; at < data.end;) {
      const uint64_t end = std::min((at / kShare + 1) * kShare, data.end);
      changed[at / kShare].push_back({at, end});
      at = end;
    }
  }
  return changed;
}

void GuestMemory::copy(const std::vector<Extent>& extents, int to, StagingBuffer* staging) const {
  for (const auto& batch : cut(extents)) {
    char* const slot = staging != nullptr ? staging->take(batch) : nullptr;
    char* const buffer = slot != nullptr ? slot : piece_buffer();
    std::vector<Piece> pieces;
    char* next = buffer;
    for (const Extent& extent : batch) {
      pieces.push_back({extent, next});
      next += extent.size();
    }
    read(pieces);
    if (slot == nullptr) write_part(to, {batch, buffer});
  }
}

void GuestMemory::stage_share(const std::vector<Extent>& extents, const Extent& share, char* slot) const {
  std::vector<Piece> pieces;
  for (const Extent& extent : extents) pieces.push_back({extent, slot + (extent.begin - share.begin)});
  read(pieces);
}

std::vector<Extent> GuestMemory::copy_changed(int to, const Deadline& deadline,
                                              StagingBuffer* staging) const {
  if (::ftruncate(to, static_cast<off_t>(size_)) != 0)
    fail_errno("make a memory file of {}", format_bytes(size_));
  const std::vector<Extent> shares = shares_of(size_);
  std::vector<std::vector<Extent>> changed = changed_by_share();
  // The kernel lets one at a time write to the file: while one does, the others stage. Alone, staging is
  // faster.
  std::mutex file;
  const bool may_write = core_count() > 1;
  for_each_in_parallel(shares.size(), [&](size_t at) {
    deadline.check("a copy of guest memory");
    // Before any of it is read: reading makes pages present.
    if (backing_ != Backing::kShared) changed[at] = changed_in(shares[at]);
    if (backing_ == Backing::kPrivateFile) return copy(changed[at], to, staging);
    std::unique_lock writes(file, std::defer_lock);
    const bool stages =
        staging != nullptr && is_worth_staging(changed[at], shares[at]) && !(may_write && writes.try_lock());
    if (char* const slot = stages ? staging->take({shares[at]}) : nullptr)
      stage_share(changed[at], shares[at], slot);
    else
      copy(changed[at], to, nullptr);
  });
  // The pid may have become another process's; this directory is this process's alone, and empty once it has
  // ended.
  if (backing_ != Backing::kShared && !read_maps())
    fail(Code::kEngineDied, "the engine ended while its memory was read");
  if (backing_ != Backing::kPrivateFile) return {{0, size_}};
  return joined(changed);
}

void write_part(int to, const StagingBuffer::Part& part) {
  const char* bytes = part.bytes;
  for (const Extent& extent : part.extents) {
    write_nonzero(to, bytes, extent.size(), extent.begin);
    bytes += extent.size();
  }
}

void fill_unchanged(int parent, int to, uint64_t size, const std::vector<Extent>& done,
                    const Deadline& deadline) {
  std::vector<Extent> whole = data_outside(parent, size, done, size);
  // The first one tells whether the file system can.
  if (!whole.empty() && share_extent(parent, to, whole.front())) {
    const bool shared = std::all_of(whole.begin() + 1, whole.end(),
                                    [&](const Extent& extent) { return share_extent(parent, to, extent); });
    if (shared) return;
  }
  copy_pieces(parent, to, data_outside(parent, size, done, kCopiedAtOnce), deadline);
}

}  // namespace knaller::memory
