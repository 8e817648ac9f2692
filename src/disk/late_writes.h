// What has to be written to a copy after a pause, kept in memory until the guest runs again. A write to a
// file may have to wait for the host's memory or for its file system's journal, for seconds where others keep
// the disk busy; no guest stays paused for that.
#ifndef KNALLER_DISK_LATE_WRITES_H_
#define KNALLER_DISK_LATE_WRITES_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"

namespace knaller::disk {

// Puts the blocks of `data` into the file at `offset`: those of zeros as holes.
void store_blocks(int target, const char* data, size_t size, uint64_t offset);

class LateWrites {
 public:
  // Memory for that many bytes, present when this returns. Forgets what was kept.
  void make_room(uint64_t bytes);
  void forget();

  // Made before anything else is written.
  void add_holes(std::vector<Extent> holes) { holes_ = std::move(holes); }
  // Room for what belongs there, to be filled by the caller; null when not that much is left. Any thread.
  char* take(const Extent& place);

  void write(int target, const Deadline& deadline) const;

 private:
  struct Piece {
    Extent place;
    const char* bytes = nullptr;
  };

  std::vector<char> room_;
  std::mutex mutex_;
  uint64_t taken_ = 0;
  std::vector<Piece> pieces_;
  std::vector<Extent> holes_;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_LATE_WRITES_H_
