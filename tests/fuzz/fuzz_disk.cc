// A disk that a guest left: its file system, the journal in it, and a base merged with the private disk over
// it. The first byte says what follows:
//
//   'p' records               a guest's only disk
//   'o' N (2 bytes) records   N records of the base, then those of the private disk
//   'j' bytes                 a journal alone, from its first block on
//
// A record is the number of a block (4 bytes, little-endian) and its 1024 bytes: what is not there is a hole.
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "disk/disk_tree.h"
#include "disk/journal.h"
#include "disk/tree_diff.h"
#include "disk/walk_guard.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT
using disk::DiskTree;

constexpr size_t kBlock = 1024;
constexpr size_t kRecord = 4 + kBlock;
constexpr uint32_t kBlocks = 16 << 10;
constexpr uint64_t kJournalBytes = 1 << 20;

UniqueFd make_disk(uint64_t bytes) {
  UniqueFd disk(::memfd_create("fuzz", MFD_CLOEXEC));
  fuzz::require(disk && ::ftruncate(disk.get(), static_cast<off_t>(bytes)) == 0, "no memory for a disk");
  return disk;
}

UniqueFd disk_of(std::string_view records) {
  UniqueFd disk = make_disk(uint64_t{kBlocks} * kBlock);
  for (; records.size() >= kRecord; records.remove_prefix(kRecord)) {
    uint32_t block = 0;
    std::memcpy(&block, records.data(), sizeof block);
    write_at(disk.get(), records.data() + 4, kBlock, uint64_t{block % kBlocks} * kBlock);
  }
  return disk;
}

// As an extraction does.
void walk(const DiskTree& tree, const DiskTree::Node& node, const std::string& path, disk::WalkGuard& guard) {
  const disk::FileInfo info = tree.info(node);
  if (S_ISLNK(info.mode)) {
    tree.link_target(node);
    guard.take(0, info, node);
  }
  if (S_ISREG(info.mode)) {
    const auto data = tree.data_of(node);
    guard.take(disk::bytes_in(data), info, node);
    uint64_t end = 0;
    std::string buffer;
    for (const disk::Stretch& stretch : data) {
      fuzz::require(stretch.begin >= end && stretch.bytes > 0, "the stretches of a file make no sense");
      end = stretch.begin + stretch.bytes;
      buffer.resize(stretch.bytes);
      tree.read(node, stretch, 0, buffer.data(), buffer.size());
    }
    fuzz::require(end <= info.size, "a file goes on behind its end");
  }
  if (!S_ISDIR(info.mode)) return;
  guard.enter(node, path);
  for (const auto& [name, child] : tree.children(node, path)) {
    fuzz::require(!name.empty() && name != ".." && name.find('/') == std::string::npos, "a name is none");
    const std::string below = path + "/" + name;
    try {
      walk(tree, child, below, guard);
    } catch (const Error& error) {
      if (error.code() != Code::kUnsupported) throw;
    }
  }
}

void read_tree(const DiskTree& tree) {
  disk::WalkGuard guard(tree);
  walk(tree, tree.root(), "", guard);
  const auto differences = disk::diff_trees(tree, tree, Deadline::never());
  for (const disk::Difference& found : differences)
    fuzz::require(found.what == std::vector<std::string>{"unreadable"}, "a disk differs from itself");
  tree.find("/etc/../link/file");
}

void read_journal(std::string_view bytes) {
  UniqueFd file = make_disk(kJournalBytes);
  write_at(file.get(), bytes.data(), std::min<uint64_t>(bytes.size(), kJournalBytes), 0);
  const disk::DiskBytes disk(std::move(file), "disk.ext4");
  const disk::JournalPlace place{.stretches = {{.begin = 0, .bytes = kJournalBytes, .on_disk = 0}},
                                 .block_bytes = kBlock,
                                 .file_system_blocks = kBlocks};
  for (const auto& [block, replayed] : disk::replayed_blocks(disk, place))
    fuzz::require(block < kBlocks && replayed.from < kJournalBytes, "a block of the journal lies nowhere");
}

void read_overlay(std::string_view text) {
  uint16_t count = 0;
  if (text.size() < sizeof count) return;
  std::memcpy(&count, text.data(), sizeof count);
  text.remove_prefix(sizeof count);
  const size_t base = std::min(text.size(), count * kRecord);
  read_tree({disk_of(text.substr(0, base)), disk_of(text.substr(base))});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  try {
    fuzz::refuses_well([&] {
      try {
        if (data[0] == 'j') return read_journal(text);
        if (data[0] == 'o') return read_overlay(text);
        read_tree(DiskTree(disk_of(text)));
      } catch (const Error& error) {
        // What was looked up is not there.
        if (error.code() != Code::kNotFound) throw;
      }
    });
  } catch (const std::bad_alloc&) {
    fuzz::require(false, "it fills the memory");
  }
  return 0;
}
