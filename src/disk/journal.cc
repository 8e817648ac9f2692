#include "disk/journal.h"

#include <ext2fs/ext2fs.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>

#include "base/error.h"

namespace knaller::disk {
namespace {

// On disk everything is big-endian (linux/jbd2.h).
constexpr uint32_t kMagic = 0xc03b3998;
constexpr uint32_t kDescriptor = 1;
constexpr uint32_t kCommit = 2;
constexpr uint32_t kSuperV1 = 3;
constexpr uint32_t kSuperV2 = 4;
constexpr uint32_t kRevoke = 5;
constexpr uint32_t kHasRevokes = 1;
constexpr uint32_t k64Bit = 2;
constexpr uint32_t kAsyncCommit = 4;
constexpr uint32_t kChecksumV2 = 8;
constexpr uint32_t kChecksumV3 = 0x10;
constexpr uint32_t kKnownFeatures = kHasRevokes | k64Bit | kAsyncCommit | kChecksumV2 | kChecksumV3;
constexpr uint32_t kEscaped = 1;
constexpr uint32_t kSameUuid = 2;
constexpr uint32_t kLastTag = 8;
constexpr size_t kHeaderBytes = 12;
constexpr size_t kCommitChecksumAt = 16;
// mke2fs makes none with more (its -J size).
constexpr uint64_t kMostBlocks = 10'240'000;
// Newer blocks and freed ones that are kept in memory. A journal of 16 GiB full of blocks has fewer.
constexpr size_t kMostKept = 1 << 22;

uint32_t be32(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return __builtin_bswap32(number);
}

uint16_t be16(const std::string& bytes, size_t at) {
  uint16_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return __builtin_bswap16(number);
}

uint32_t crc(uint32_t seed, const void* data, size_t size) {
  return ext2fs_crc32c_le(seed, static_cast<const unsigned char*>(data), size);
}

struct Tag {
  uint64_t block = 0;
  uint32_t flags = 0;
  uint32_t checksum = 0;
};

class Journal {
 public:
  Journal(const DiskBytes& disk, const JournalPlace& place) : disk_(disk), place_(place) {
    check_place();
    const std::string super = block(0);
    const uint32_t type = be32(super, 4);
    if (be32(super, 0) != kMagic || (type != kSuperV1 && type != kSuperV2)) damaged("it has no head");
    if (be32(super, 12) != place_.block_bytes) damaged("its blocks have another size");
    blocks_ = be32(super, 16);
    first_ = be32(super, 20);
    sequence_ = be32(super, 24);
    start_ = be32(super, 28);
    if (type == kSuperV2) features_ = be32(super, 40);
    if ((features_ & ~kKnownFeatures) != 0)
      fail(Code::kUnsupported, "the journal in {} has features ({:#x}) that can't be read here", disk_.what(),
           features_ & ~kKnownFeatures);
    if (blocks_ > mapped_ || blocks_ > kMostBlocks || first_ == 0 || first_ >= blocks_ || start_ >= blocks_)
      damaged("its head makes no sense");
    seed_ = crc(~0U, super.data() + 48, 16);
  }

  std::map<uint64_t, DiskBytes::Replayed> replay() {
    if (start_ == 0) return {};  // all of it is in place
    const uint32_t end = walk([](uint32_t, const std::string&, uint32_t) {}, UINT32_MAX, true);
    walk([this](uint32_t sequence, const std::string& bytes, uint32_t) { note_revokes(sequence, bytes); },
         end - sequence_, false);
    walk([this](uint32_t sequence, const std::string& bytes, uint32_t at) { lay(sequence, bytes, at); },
         end - sequence_, false);
    return std::move(result_);
  }

 private:
  // Is given descriptors and revokes: the transaction, the block, and the place behind it.
  using Visit = std::function<void(uint32_t sequence, const std::string& bytes, uint32_t next)>;

  [[noreturn]] void damaged(const char* why) const {
    fail(Code::kCorrupt, "the journal in {} is damaged: {}", disk_.what(), why);
  }

  [[noreturn]] void too_large() const {
    fail(Code::kUnsupported, "the journal in {} has too much in it to be read here", disk_.what());
  }

  // Each block in one place of the file, so that all of it is no more than the disk has.
  void check_place() {
    uint64_t end = 0;
    std::map<uint64_t, uint64_t> on_disk;  // begin, end
    for (const Stretch& stretch : place_.stretches) {
      if (stretch.begin != end || stretch.bytes % place_.block_bytes != 0) damaged("it has holes");
      end += stretch.bytes;
      on_disk.emplace(stretch.on_disk, stretch.on_disk + stretch.bytes);
    }
    if (end == 0) damaged("it is empty");
    uint64_t behind = 0;
    for (const auto& [from, until] : on_disk) {
      if (from < behind) damaged("it has a block twice");
      behind = until;
    }
    if (on_disk.size() != place_.stretches.size()) damaged("it has a block twice");
    mapped_ = end / place_.block_bytes;
  }

  uint64_t place_of(uint32_t number) const {
    const uint64_t at = uint64_t{number} * place_.block_bytes;
    const auto behind =
        std::upper_bound(place_.stretches.begin(), place_.stretches.end(), at,
                         [](uint64_t offset, const Stretch& stretch) { return offset < stretch.begin; });
    const Stretch& stretch = *std::prev(behind);
    return stretch.on_disk + (at - stretch.begin);
  }

  std::string block(uint32_t number) const {
    std::string bytes(place_.block_bytes, '\0');
    disk_.read(bytes.data(), bytes.size(), place_of(number));
    return bytes;
  }

  uint32_t after(uint32_t number, size_t count = 1) const {
    const uint64_t ring = blocks_ - first_;
    return static_cast<uint32_t>(first_ + (number - first_ + count) % ring);
  }

  bool has_checksums() const { return (features_ & (kChecksumV2 | kChecksumV3)) != 0; }

  // Goes through `most` transactions, or, when `looking`, through those that are whole; the number after the
  // last.
  uint32_t walk(const Visit& visit, uint32_t most, bool looking) const {
    uint32_t sequence = sequence_;
    uint32_t at = start_;
    if (at < first_) damaged("its head makes no sense");
    for (uint64_t seen = 0; seen < blocks_ && sequence - sequence_ < most;) {
      const std::string bytes = block(at);
      if (be32(bytes, 0) != kMagic || be32(bytes, 8) != sequence) break;
      const uint32_t type = be32(bytes, 4);
      size_t used = 1;
      if (type == kDescriptor) {
        if (!looking) visit(sequence, bytes, after(at));
        used += tags_of(bytes).size();
      } else if (type == kRevoke) {
        if (!looking) visit(sequence, bytes, after(at));
      } else if (type == kCommit) {
        if (looking && !is_whole(bytes)) break;
        ++sequence;
      } else {
        break;
      }
      at = after(at, used);
      seen += used;
    }
    return sequence;
  }

  bool is_whole(std::string commit) const {
    if (!has_checksums()) return true;
    const uint32_t stored = be32(commit, kCommitChecksumAt);
    std::memset(commit.data() + kCommitChecksumAt, 0, sizeof stored);
    return crc(seed_, commit.data(), commit.size()) == stored;
  }

  size_t tag_bytes() const {
    if ((features_ & kChecksumV3) != 0) return 16;
    return 8 + ((features_ & k64Bit) != 0 ? 4U : 0U) + ((features_ & kChecksumV2) != 0 ? 2U : 0U);
  }

  Tag tag_at(const std::string& bytes, size_t at) const {
    Tag tag{.block = be32(bytes, at)};
    if ((features_ & kChecksumV3) != 0) {
      tag.flags = be32(bytes, at + 4);
      tag.checksum = be32(bytes, at + 12);
    } else {
      tag.checksum = be16(bytes, at + 4);
      tag.flags = be16(bytes, at + 6);
    }
    if ((features_ & k64Bit) != 0) tag.block |= uint64_t{be32(bytes, at + 8)} << 32;
    return tag;
  }

  std::vector<Tag> tags_of(const std::string& bytes) const {
    std::vector<Tag> tags;
    const size_t end = bytes.size() - (has_checksums() ? 4 : 0);
    for (size_t at = kHeaderBytes; at + tag_bytes() <= end;) {
      tags.push_back(tag_at(bytes, at));
      at += tag_bytes();
      if ((tags.back().flags & kSameUuid) == 0) at += 16;
      if ((tags.back().flags & kLastTag) != 0) break;
    }
    return tags;
  }

  // A revoked block was freed: what transactions up to this one say of it is void.
  void note_revokes(uint32_t sequence, const std::string& bytes) {
    if (be32(bytes, 4) != kRevoke) return;
    const size_t record = (features_ & k64Bit) != 0 ? 8 : 4;
    const uint32_t used = be32(bytes, kHeaderBytes);
    if (used > bytes.size()) damaged("a list of revoked blocks is too long");
    for (size_t at = kHeaderBytes + 4; at + record <= used; at += record) {
      const uint64_t number =
          record == 8 ? uint64_t{be32(bytes, at)} << 32 | be32(bytes, at + 4) : be32(bytes, at);
      revoked_[number] = sequence;
      if (revoked_.size() > kMostKept) too_large();
    }
  }

  void lay(uint32_t sequence, const std::string& descriptor, uint32_t at) {
    if (be32(descriptor, 4) != kDescriptor) return;
    for (const Tag& tag : tags_of(descriptor)) {
      const auto revoked = revoked_.find(tag.block);
      if (revoked == revoked_.end() || static_cast<int32_t>(sequence - revoked->second) > 0) {
        if (tag.block >= place_.file_system_blocks) damaged("it names a block that is not there");
        check_data(sequence, tag, at);
        result_[tag.block] = {place_of(at), (tag.flags & kEscaped) != 0};
        if (result_.size() > kMostKept) too_large();
      }
      at = after(at);
    }
  }

  void check_data(uint32_t sequence, const Tag& tag, uint32_t at) const {
    if (!has_checksums()) return;
    const std::string bytes = block(at);
    const uint32_t number = __builtin_bswap32(sequence);
    const uint32_t found = crc(crc(seed_, &number, sizeof number), bytes.data(), bytes.size());
    const bool same =
        (features_ & kChecksumV3) != 0 ? found == tag.checksum : (found & 0xffff) == tag.checksum;
    if (!same) damaged("a block has a wrong checksum");
  }

  const DiskBytes& disk_;
  const JournalPlace& place_;
  uint64_t mapped_ = 0;  // blocks of its file
  uint32_t blocks_ = 0;
  uint32_t first_ = 0;
  uint32_t sequence_ = 0;
  uint32_t start_ = 0;
  uint32_t features_ = 0;
  uint32_t seed_ = 0;
  std::map<uint64_t, uint32_t> revoked_;  // by block, the last transaction that revoked it
  std::map<uint64_t, DiskBytes::Replayed> result_;
};

}  // namespace

std::map<uint64_t, DiskBytes::Replayed> replayed_blocks(const DiskBytes& disk, const JournalPlace& place) {
  return Journal(disk, place).replay();
}

}  // namespace knaller::disk
