#include "disk/ext4_inline.h"

#include <ext2fs/ext2_ext_attr.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "base/error.h"

namespace knaller::disk {
namespace {

constexpr uint64_t kFirstBytes = sizeof(ext2_inode::i_block);
constexpr uint64_t kFirstAt = offsetof(ext2_inode, i_block);
constexpr uint8_t kSystemAttribute = 7;
constexpr std::string_view kName = "data";

template <typename Number>
Number number_at(const std::string& bytes, size_t at) {
  Number number{};
  if (at <= bytes.size() && bytes.size() - at >= sizeof number)
    std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

uint64_t place_of(ext2_filsys fs, const DiskBytes& bytes, InodeNumber number) {
  const uint32_t per_group = EXT2_INODES_PER_GROUP(fs->super);
  const uint64_t table = ext2fs_inode_table_loc(fs, (number - 1) / per_group);
  if (table == 0 || table >= ext2fs_blocks_count(fs->super))
    fail(Code::kCorrupt, "the file system in {} is damaged: inode {} lies nowhere", bytes.what(), number);
  return table * fs->blocksize + uint64_t{(number - 1) % per_group} * EXT2_INODE_SIZE(fs->super);
}

// The value of "system.data" within the inode; empty when there is none.
Extent rest_of(const std::string& inode) {
  const size_t head = EXT2_GOOD_OLD_INODE_SIZE + number_at<uint16_t>(inode, EXT2_GOOD_OLD_INODE_SIZE);
  if (number_at<uint32_t>(inode, head) != EXT2_EXT_ATTR_MAGIC) return {};
  const size_t first = head + sizeof(uint32_t);
  for (size_t at = first; number_at<uint32_t>(inode, at) != 0;) {
    const auto entry = number_at<ext2_ext_attr_entry>(inode, at);
    if (entry.e_name_index == kSystemAttribute && entry.e_value_inum == 0 &&
        inode.compare(std::min(at + sizeof entry, inode.size()), entry.e_name_len, kName) == 0) {
      const uint64_t begin = first + entry.e_value_offs;
      if (begin > inode.size() || entry.e_value_size > inode.size() - begin) return {};
      return {begin, begin + entry.e_value_size};
    }
    at += EXT2_EXT_ATTR_LEN(entry.e_name_len);
  }
  return {};
}

}  // namespace

std::vector<Stretch> inline_stretches(ext2_filsys fs, const DiskBytes& bytes, InodeNumber number) {
  const uint64_t place = place_of(fs, bytes, number);
  std::string inode(EXT2_INODE_SIZE(fs->super), '\0');
  bytes.read(inode.data(), inode.size(), place);
  std::vector<Stretch> stretches{{.begin = 0, .bytes = kFirstBytes, .on_disk = place + kFirstAt}};
  if (const Extent rest = rest_of(inode); rest.size() > 0)
    stretches.push_back({.begin = kFirstBytes, .bytes = rest.size(), .on_disk = place + rest.begin});
  return stretches;
}

}  // namespace knaller::disk
