#include "disk/late_writes.h"

#include <algorithm>

namespace knaller::disk {

void store_blocks(int target, const char* data, size_t size, uint64_t offset) {
  for (size_t at = 0; at < size;) {
    const auto block = [&](size_t from) { return std::min<size_t>(kBlockBytes, size - from); };
    const bool zero = is_zero(data + at, block(at));
    size_t end = at + block(at);
    while (end < size && is_zero(data + end, block(end)) == zero) end += block(end);
    if (zero)
      punch_hole(target, {offset + at, offset + end});
    else
      write_at(target, data + at, end - at, offset + at);
    at = end;
  }
}

void LateWrites::make_room(uint64_t bytes) {
  forget();
  room_.assign(bytes, 0);
}

void LateWrites::forget() {
  taken_ = 0;
  pieces_.clear();
  holes_.clear();
}

char* LateWrites::take(const Extent& place) {
  const std::lock_guard lock(mutex_);
  if (place.size() > room_.size() - taken_) return nullptr;
  char* const bytes = room_.data() + taken_;
  taken_ += place.size();
  pieces_.push_back({place, bytes});
  return bytes;
}

void LateWrites::write(int target, const Deadline& deadline) const {
  for (const Extent& hole : holes_) {
    deadline.check("the copy of a disk");
    punch_hole(target, hole);
  }
  for (const Piece& piece : pieces_) {
    deadline.check("the copy of a disk");
    store_blocks(target, piece.bytes, piece.place.size(), piece.place.begin);
  }
}

}  // namespace knaller::disk
