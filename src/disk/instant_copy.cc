#include "disk/instant_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "base/available_memory.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "disk/extents.h"

namespace knaller::disk {
namespace {

using Clock = std::chrono::steady_clock;

// Of both files: the second-level cache of a core holds them.
constexpr uint64_t kPiece = 64 << 10;
// What is left to the pause without another round before it.
constexpr uint64_t kLittle = 2 << 20;
// Each takes less time than the one before, or there is no use in more.
constexpr int kMostRounds = 12;
// Of what was touched, in a pause: what is copied from and to the page cache, in pieces, by a slow host.
constexpr uint64_t kLatePerMillisecond = 256 << 10;
// Of both files, from their disk.
constexpr uint64_t kComparedPerMillisecond = 256 << 10;
// That many are on their way to the host's disk before they are dropped from the page cache.
constexpr size_t kPiecesBehind = 32;
constexpr int kMostComparisons = 2;
// Of memory, for what has to be written later: by comparison, and at most.
constexpr uint64_t kRoomForDifferences = 8 << 20;
constexpr uint64_t kMostRoom = 64 << 20;
// A flush that takes no longer has little to write.
constexpr std::chrono::milliseconds kShortFlush{20};

const char* const kComparison = "a comparison of the disk with its copy";

bool can_share(int disk, int target, uint64_t size) {
  struct stat info = {};
  if (::fstat(disk, &info) != 0) fail_errno("look at a disk");
  const auto block = static_cast<uint64_t>(info.st_blksize);
  struct file_clone_range first = {.src_fd = disk, .src_offset = 0, .src_length = block, .dest_offset = 0};
  if (size < block || ::ioctl(target, FICLONERANGE, &first) != 0) return false;
  // The clone in the pause has nothing to let go of.
  if (::ftruncate(target, 0) != 0) fail_errno("empty a copy");
  return true;
}

// Brings the blocks of `now` that differ from `before` into the target, at once or later.
uint64_t store_differences(int target, LateWrites& later, const char* now, const char* before,
                           const Extent& piece) {
  uint64_t changed = 0;
  for (uint64_t at = 0; at < piece.size(); at += kBlockBytes) {
    const size_t size = std::min(kBlockBytes, piece.size() - at);
    if (std::memcmp(now + at, before + at, size) == 0) continue;
    changed += size;
    const uint64_t place = piece.begin + at;
    if (char* const room = later.take({place, place + size}))
      std::memcpy(room, now + at, size);
    else
      store_blocks(target, now + at, size, place);
  }
  return changed;
}

std::vector<Extent> cut(const std::vector<Extent>& extents, uint64_t most) {
  std::vector<Extent> pieces;
  for (const Extent& extent : extents)
    for (uint64_t at = extent.begin; at < extent.end; at += most)
      pieces.push_back({at, std::min(at + most, extent.end)});
  return pieces;
}

}  // namespace

InstantCopy::InstantCopy(int disk, int target, InstantCopyOptions options)
    : disk_(disk),
      target_(target),
      options_(options),
      size_(file_size(disk)),
      shares_(can_share(disk, target, size_)) {}

void InstantCopy::copy_ahead(const Deadline& deadline) {
  if (!shares_) {
    const bool is_small = allocated_bytes(disk_) <= options_.small_disk;
    if (is_small || !copy_past_page_cache(deadline)) {
      untouched_since_ = WriteStamp::take(disk_, deadline);
      copy_sparse(disk_, target_, size_, deadline);
      note_what_is_stored();
      if (!is_small) compare_ahead(deadline);
      make_room(kRoomForDifferences);
    }
    // Towards the host's disk already, so that there is less to wait for at the end.
    ::sync_file_range(target_, 0, 0, SYNC_FILE_RANGE_WRITE);
  }
  flush_ahead(deadline);
}

// What is dirty is written by the engine when it saves its state, and before extents are shared: in the
// pause.
void InstantCopy::flush_ahead(const Deadline& deadline) const {
  auto before = Clock::duration::max();
  for (auto took = before; took > kShortFlush;) {
    deadline.check("the disk's way to the host's disk");
    const auto began = Clock::now();
    if (::fdatasync(disk_) != 0) fail_errno("write a disk to the host's disk");
    took = Clock::now() - began;
    if (took > before / 4 * 3) return;  // it is dirtied as fast as it is written
    before = took;
  }
}

// --- By what was touched

bool InstantCopy::copy_past_page_cache(const Deadline& deadline) {
  // Before the watch, which tells of everybody who opens the disk.
  const auto reader = DirectReader::open(disk_);
  if (!reader) return false;
  for (int attempt = 0; attempt < 2; ++attempt) {
    touched_ = TouchedPages::watch(disk_, size_, target_, options_.marks_kept);
    if (!touched_) return false;
    copy_directly(*reader, deadline);
    note_what_is_stored();
    make_room(2 * follow(*reader, deadline) + kRoomForDifferences);
    if (touched_->is_complete()) return true;
    if (::ftruncate(target_, 0) != 0) fail_errno("empty a copy");
  }
  touched_.reset();
  return false;
}

void InstantCopy::copy_directly(const DirectReader& reader, const Deadline& deadline) {
  if (::ftruncate(target_, static_cast<off_t>(size_)) != 0) fail_errno("set the size of a copy");
  untouched_since_ = WriteStamp::take(disk_, deadline);
  touched_->forget({{0, size_}});
  // A copy that memory does not hold displaces what it does.
  drop_behind_ = allocated_bytes(disk_) > available_memory() / 2;
  const std::vector<Extent> pieces = data_pieces(disk_, {0, size_}, DirectReader::kMost);
  for_each_in_parallel(pieces.size(), [&](size_t at) {
    deadline.check("a copy of the disk");
    const std::span<const char> data = reader.read(pieces[at]);
    write_nonzero(target_, data.data(), data.size(), pieces[at].begin);
    if (!drop_behind_) return;
    begin_write_back(target_, pieces[at]);
    if (at >= kPiecesBehind) drop_cached_pages(target_, {pieces[at - kPiecesBehind]});
  });
}

// Again and again what was touched during the round before, until that is little or no longer gets less.
// Returns how much it is then.
uint64_t InstantCopy::follow(const DirectReader& reader, const Deadline& deadline) {
  uint64_t before = UINT64_MAX;
  for (int round = 0; !untouched_since_.is_unwritten(disk_); ++round) {
    const WriteStamp now = WriteStamp::take(disk_, deadline);
    const std::vector<Extent> touched = touched_->all(deadline);
    const uint64_t bytes = total_bytes(touched);
    if (round == kMostRounds || bytes > before / 4 * 3) check_late_bytes(bytes);
    if (bytes <= kLittle || round == kMostRounds || bytes > before / 4 * 3) return bytes;
    before = bytes;
    const std::vector<Extent> holes = new_holes(unite(data_on_disk(disk_, size_, deadline), touched));
    for (const Extent& hole : holes) punch_hole(target_, hole);
    stored_ = unite(subtract(stored_, holes), touched);
    touched_->forget(touched);
    const std::vector<Extent> pieces = cut(touched, DirectReader::kMost);
    for_each_in_parallel(pieces.size(), [&](size_t at) {
      deadline.check("a copy of the disk");
      const std::span<const char> data = reader.read(pieces[at]);
      store_blocks(target_, data.data(), data.size(), pieces[at].begin);
    });
    untouched_since_ = now;
  }
  return 0;
}

void InstantCopy::check_late_bytes(uint64_t bytes) const {
  if (bytes > kLatePerMillisecond * milliseconds_of_pause())
    fail_for_writes(fmt::format("{} more each time", format_bytes(bytes)));
}

void InstantCopy::bring_over_touched(const Deadline& deadline) {
  const std::vector<Extent> touched = touched_->all(deadline);
  if (!touched_->is_complete()) {
    if (allocated_bytes(disk_) > kComparedPerMillisecond * milliseconds_of_pause()) fail_for_memory();
    return compare(deadline);
  }
  late_writes_.add_holes(new_holes(unite(data_on_disk(disk_, size_, deadline), touched)));
  stored_ = unite(stored_, touched);
  const std::vector<Extent> pieces = cut(touched, kPiece);
  for_each_in_parallel(pieces.size(), [&](size_t at) {
    deadline.check("a copy of what changed on the disk");
    thread_local std::vector<char> now(kPiece);
    const Extent& piece = pieces[at];
    if (char* const room = late_writes_.take(piece)) return read_at(disk_, room, piece.size(), piece.begin);
    read_at(disk_, now.data(), piece.size(), piece.begin);
    store_blocks(target_, now.data(), piece.size(), piece.begin);
  });
  seen_ = late_ = total_bytes(touched);
  relied_on_touched_ = true;
}

void InstantCopy::finish(const Deadline& deadline) const {
  if (relied_on_touched_ && !touched_->was_complete(deadline)) fail_for_memory();
  late_writes_.write(target_, deadline);
}

void InstantCopy::let_go() const {
  if (drop_behind_) ::posix_fadvise(target_, 0, 0, POSIX_FADV_DONTNEED);
}

void InstantCopy::fail_for_memory() const {
  throw Error(Code::kBusy,
              "while the disk was copied, the host dropped what it had in memory of it, and with that may "
              "have gone what tells of a change",
              "try again; let the host have more memory, or let nobody else read the VM's disk meanwhile");
}

// --- By comparison

// A disk that is not written during the whole of a comparison needs none in the pause.
void InstantCopy::compare_ahead(const Deadline& deadline) {
  Clock::duration took{};
  for (int round = 0; round < kMostComparisons && !untouched_since_.is_unwritten(disk_); ++round) {
    const WriteStamp now = WriteStamp::take(disk_, deadline);
    const auto began = Clock::now();
    compare(deadline);
    late_writes_.write(target_, deadline);
    took = Clock::now() - began;
    untouched_since_ = now;
  }
  if (took > saturated(options_.longest_pause) && !untouched_since_.is_unwritten(disk_))
    fail_for_writes(
        fmt::format("a comparison with its copy takes {}",
                    format_duration(std::chrono::duration_cast<std::chrono::microseconds>(took))));
}

void InstantCopy::compare(const Deadline& deadline) {
  const std::vector<Extent> data = data_pieces(disk_, {0, size_}, size_);
  late_writes_.add_holes(new_holes(data));
  stored_ = unite(stored_, data);
  std::atomic<uint64_t> late = 0;
  const std::vector<Extent> pieces = cut(data, kPiece);
  for_each_in_parallel(pieces.size(), [&](size_t at) {
    deadline.check(kComparison);
    thread_local std::vector<char> now(kPiece);
    thread_local std::vector<char> before(kPiece);
    const Extent& piece = pieces[at];
    read_at(disk_, now.data(), piece.size(), piece.begin);
    read_at(target_, before.data(), piece.size(), piece.begin);
    late += store_differences(target_, late_writes_, now.data(), before.data(), piece);
  });
  late_ = late;
  seen_ = total_bytes(pieces);
}

// ---

void InstantCopy::complete(const Deadline& deadline) {
  if (file_size(disk_) != size_) fail(Code::kCorrupt, "the disk changed its size while it was copied");
  late_ = seen_ = 0;
  late_writes_.forget();
  if (shares_) {
    copy_sparse(disk_, target_, size_, deadline);
  } else if (untouched_since_.is_unwritten(disk_)) {
    return;
  } else if (touched_) {
    bring_over_touched(deadline);
  } else {
    compare(deadline);
  }
}

void InstantCopy::note_what_is_stored() {
  stored_ = data_pieces(target_, {0, size_}, size_);
}

// Where the guest discarded blocks, or the engine wrote zeros as holes.
std::vector<Extent> InstantCopy::new_holes(const std::vector<Extent>& data) const {
  return subtract(stored_, data);
}

// No more than the host can spare; what finds no room is written in the pause.
void InstantCopy::make_room(uint64_t bytes) {
  late_writes_.make_room(std::min({bytes, kMostRoom, available_memory() / 8}));
}

void InstantCopy::fail_for_writes(const std::string& what) const {
  throw Error(
      Code::kBusy,
      fmt::format("the guest writes its disk faster than it can be copied ({}), for a pause of at most {}",
                  what, format_duration(options_.longest_pause)),
      "try again when it writes less; allow the pause more time with --max-pause; or keep the home on XFS "
      "or btrfs, where copies share their blocks");
}

}  // namespace knaller::disk
