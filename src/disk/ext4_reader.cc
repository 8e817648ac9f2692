#include "disk/ext4_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "disk/ext4_inline.h"
#include "disk/ext4_io.h"
#include "disk/journal.h"

namespace knaller::disk {
namespace {

constexpr size_t kMostNames = size_t{1} << 22;  // of one directory
constexpr uint64_t kInlineParentBytes = 4;
constexpr uint64_t kMostDirectoryBytes = uint64_t{256} << 20;
// A file may be in so many pieces, and be found through so many entries of its lists and trees.
constexpr uint64_t kMostSteps = uint64_t{1} << 23;
constexpr uint64_t kMostFileBytes = uint64_t{1} << 48;  // 32-bit block numbers, blocks of 64 KiB
constexpr uint64_t kMostLinkBytes = 4096;

timespec time_of(uint32_t seconds, uint32_t extra) {
  // Two more bits of the seconds, then the nanoseconds (kernel: ext4_decode_extra_time).
  const int64_t base = static_cast<int32_t>(seconds);
  return {.tv_sec = base + (static_cast<int64_t>(extra & 3) << 32),
          .tv_nsec = std::min<long>(static_cast<long>(extra >> 2), 999'999'999)};
}

}  // namespace

struct Ext4Reader::FileSystem {
  ext2_filsys fs = nullptr;

  explicit FileSystem(ext2_filsys opened) : fs(opened) {}
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  ~FileSystem() { ext2fs_free(fs); }

  uint64_t blocks() const { return ext2fs_blocks_count(fs->super); }
  uint64_t block_bytes() const { return fs->blocksize; }

  ext2_inode_large inode(InodeNumber number, const DiskBytes& bytes) const {
    ext2_inode_large inode{};
    const errcode_t code =
        ext2fs_read_inode_full(fs, number, reinterpret_cast<ext2_inode*>(&inode), sizeof inode);
    if (code != 0)
      fail(Code::kCorrupt, "the file system in {} is damaged: inode {}: {}", bytes.what(), number,
           ext2_message(code));
    return inode;
  }
};

namespace {

// The data of one inode, as it is put together: in ascending order, inside the disk, not more than there are
// blocks, and in fewer pieces than fill the memory.
class Collector {
 public:
  Collector(const DiskBytes& bytes, uint64_t blocks, uint64_t block_bytes)
      : bytes_(bytes), blocks_(blocks), block_bytes_(block_bytes) {}

  // A hostile tree may lead round and round.
  bool count_step() { return ++steps_ <= std::min(2 * blocks_ + 16, kMostSteps); }

  bool add(uint64_t logical, uint64_t physical, uint64_t count) {
    if (logical < next_ || physical == 0 || physical >= blocks_ || count > blocks_ - physical) return false;
    total_ += count;
    if (total_ > blocks_) return false;
    next_ = logical + count;
    const Stretch stretch{logical * block_bytes_, count * block_bytes_, physical * block_bytes_};
    if (!found_.empty() && found_.back().begin + found_.back().bytes == stretch.begin &&
        found_.back().on_disk + found_.back().bytes == stretch.on_disk)
      found_.back().bytes += stretch.bytes;
    else
      found_.push_back(stretch);
    return true;
  }

  std::vector<Stretch> within(uint64_t size) {
    while (!found_.empty() && found_.back().begin >= size) found_.pop_back();
    if (!found_.empty()) found_.back().bytes = std::min(found_.back().bytes, size - found_.back().begin);
    return std::move(found_);
  }

  [[noreturn]] void fail_on(InodeNumber number) const {
    fail(Code::kCorrupt, "the file system in {} is damaged: the blocks of inode {} make no sense",
         bytes_.what(), number);
  }

 private:
  const DiskBytes& bytes_;
  uint64_t blocks_;
  uint64_t block_bytes_;
  uint64_t next_ = 0;
  uint64_t total_ = 0;
  uint64_t steps_ = 0;
  std::vector<Stretch> found_;
};

struct ExtentFree {
  void operator()(ext2_extent_handle* handle) const { ext2fs_extent_free(handle); }
};

void collect_extents(ext2_filsys fs, InodeNumber number, ext2_inode_large& inode, Collector& collector) {
  ext2_extent_handle_t opened = nullptr;
  if (ext2fs_extent_open2(fs, number, reinterpret_cast<ext2_inode*>(&inode), &opened) != 0)
    collector.fail_on(number);
  const std::unique_ptr<ext2_extent_handle, ExtentFree> handle(opened);
  ext2fs_extent extent{};
  errcode_t code = ext2fs_extent_get(opened, EXT2_EXTENT_ROOT, &extent);
  while (code == 0) {
    const bool is_leaf = (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) != 0;
    const bool is_data = is_leaf && (extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) == 0;
    if (!collector.count_step() || (is_data && !collector.add(extent.e_lblk, extent.e_pblk, extent.e_len)))
      collector.fail_on(number);
    code = ext2fs_extent_get(opened, EXT2_EXTENT_NEXT, &extent);
  }
  if (code != EXT2_ET_EXTENT_NO_NEXT && code != EXT2_ET_NO_CURRENT_NODE) collector.fail_on(number);
}

struct BlockWalk {
  Collector* collector;
  bool damaged = false;
};

// ext2's and ext3's way: lists of blocks.
int collect_block(ext2_filsys, blk64_t* block, e2_blkcnt_t logical, blk64_t, int, void* context) {
  auto& walk = *static_cast<BlockWalk*>(context);
  // Negative: a block of the lists themselves, of which all may be empty.
  if (walk.collector->count_step() &&
      (logical < 0 || walk.collector->add(static_cast<uint64_t>(logical), *block, 1)))
    return 0;
  walk.damaged = true;
  return BLOCK_ABORT;
}

void collect_block_lists(ext2_filsys fs, InodeNumber number, Collector& collector) {
  BlockWalk walk{.collector = &collector};
  const errcode_t code =
      ext2fs_block_iterate3(fs, number, BLOCK_FLAG_READ_ONLY, nullptr, collect_block, &walk);
  if (code != 0 || walk.damaged) collector.fail_on(number);
}

}  // namespace

Ext4Reader::Ext4Reader(UniqueFd file, const std::string& what) : bytes_(std::move(file), what) {
  open();
  if (ext2fs_has_feature_journal_needs_recovery(fs_->fs->super)) {
    replay_journal();
    open();
  }
}

Ext4Reader::~Ext4Reader() = default;

void Ext4Reader::open() {
  fs_.reset();
  fs_ = std::make_unique<FileSystem>(open_file_system(bytes_));
}

void Ext4Reader::replay_journal() {
  const InodeNumber number = fs_->fs->super->s_journal_inum;
  if (number == 0)
    fail(Code::kUnsupported, "the journal of the file system in {} lies on another disk", bytes_.what());
  const JournalPlace place{
      .stretches = mapped(number), .block_bytes = fs_->fs->blocksize, .file_system_blocks = fs_->blocks()};
  bytes_.lay_over(replayed_blocks(bytes_, place), place.block_bytes);
}

void Ext4Reader::damaged(const std::string& why) const {
  fail(Code::kCorrupt, "the file system in {} is damaged: {}", bytes_.what(), why);
}

FileInfo Ext4Reader::info(InodeNumber number) const {
  const ext2_inode_large inode = fs_->inode(number, bytes_);
  FileInfo info{.mode = inode.i_mode,
                .uid = inode.i_uid | uint32_t{inode.osd2.linux2.l_i_uid_high} << 16,
                .gid = inode.i_gid | uint32_t{inode.osd2.linux2.l_i_gid_high} << 16,
                .size = inode.i_size | uint64_t{inode.i_size_high} << 32,
                .links = inode.i_links_count,
                .modified = time_of(inode.i_mtime, inode.i_mtime_extra)};
  if (info.size > kMostFileBytes) damaged(fmt::format("inode {} has an impossible size", number));
  if (S_ISCHR(info.mode) || S_ISBLK(info.mode)) {
    // The kernel's two encodings of a device number (fs.h: old_decode_dev, new_decode_dev).
    const uint32_t device = inode.i_block[0] != 0 ? inode.i_block[0] : inode.i_block[1];
    const bool is_old = inode.i_block[0] != 0;
    info.major = is_old ? (device >> 8) & 0xff : (device & 0xfff00) >> 8;
    info.minor = is_old ? device & 0xff : (device & 0xff) | ((device >> 12) & 0xfff00);
  }
  return info;
}

std::vector<Stretch> Ext4Reader::data_of(InodeNumber number) const {
  std::vector<Stretch> data;
  for (const Stretch& whole : mapped(number))
    for (const Extent& piece : bytes_.data_in({whole.on_disk, whole.on_disk + whole.bytes}))
      data.push_back({whole.begin + (piece.begin - whole.on_disk), piece.size(), piece.begin});
  return data;
}

// Wherever the file system has given it blocks.
std::vector<Stretch> Ext4Reader::mapped(InodeNumber number) const {
  ext2_inode_large inode = fs_->inode(number, bytes_);
  if ((inode.i_flags & EXT4_ENCRYPT_FL) != 0)
    fail(Code::kUnsupported, "the file system in {} keeps inode {} encrypted, which can't be read",
         bytes_.what(), number);
  const uint64_t size = inode.i_size | uint64_t{inode.i_size_high} << 32;
  if ((inode.i_flags & EXT4_INLINE_DATA_FL) != 0) {
    std::vector<Stretch> stretches = inline_stretches(fs_->fs, bytes_, number);
    while (!stretches.empty() && stretches.back().begin >= size) stretches.pop_back();
    if (!stretches.empty())
      stretches.back().bytes = std::min(stretches.back().bytes, size - stretches.back().begin);
    return stretches;
  }
  Collector collector(bytes_, fs_->blocks(), fs_->block_bytes());
  if ((inode.i_flags & EXT4_EXTENTS_FL) != 0)
    collect_extents(fs_->fs, number, inode, collector);
  else
    collect_block_lists(fs_->fs, number, collector);
  return collector.within(size);
}

void Ext4Reader::read(const Stretch& stretch, uint64_t skip, char* buffer, size_t size) const {
  bytes_.read(buffer, size, stretch.on_disk + skip);
}

std::map<std::string, InodeNumber> Ext4Reader::names_in(InodeNumber directory) const {
  const FileInfo what = info(directory);
  if (!S_ISDIR(what.mode)) damaged(fmt::format("inode {} is not a directory", directory));
  if (what.size > kMostDirectoryBytes) damaged(fmt::format("directory {} is too large", directory));
  const bool is_inline = (fs_->inode(directory, bytes_).i_flags & EXT4_INLINE_DATA_FL) != 0;
  std::map<std::string, InodeNumber> names;
  for (const Stretch& stretch : mapped(directory)) {
    // An inline one begins with the number of the folder above, and has no blocks.
    const uint64_t skip = is_inline && stretch.begin == 0 ? std::min(stretch.bytes, kInlineParentBytes) : 0;
    std::string block(is_inline ? stretch.bytes - skip : fs_->block_bytes(), '\0');
    for (uint64_t at = skip; at < stretch.bytes && block.size() <= stretch.bytes - at; at += block.size()) {
      read(stretch, at, block.data(), block.size());
      parse_names(block, names);
      if (names.size() > kMostNames)
        fail(Code::kUnsupported, "directory {} of the file system in {} has too many names to be read here",
             directory, bytes_.what());
    }
  }
  return names;
}

uint64_t Ext4Reader::folder_bytes(InodeNumber directory) const {
  uint64_t sum = 0;
  for (const Stretch& stretch : mapped(directory)) sum += stretch.bytes;
  return sum;
}

// Blocks of an index look like one unused entry each, and so do checksums.
void Ext4Reader::parse_names(const std::string& block, std::map<std::string, InodeNumber>& names) const {
  for (size_t at = 0; at + 8 <= block.size();) {
    ext2_dir_entry entry{};
    std::memcpy(&entry, block.data() + at, 8);
    unsigned length = 0;
    if (ext2fs_get_rec_len(fs_->fs, &entry, &length) != 0) length = 0;
    const size_t name_length = entry.name_len & 0xff;
    if (length < 8 || length % 4 != 0 || length > block.size() - at || name_length + 8 > length)
      damaged("a directory's entries make no sense");
    if (entry.inode != 0 && name_length > 0) {
      const std::string name = block.substr(at + 8, name_length);
      if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
        damaged(fmt::format("a file is called '{}'", printable(name)));
      if (entry.inode > fs_->fs->super->s_inodes_count)
        damaged(fmt::format("'{}' has an inode that is not there", printable(name)));
      if (name != "." && name != "..") names.emplace(name, entry.inode);
    }
    at += length;
  }
}

std::string Ext4Reader::link_target(InodeNumber number) const {
  const ext2_inode_large inode = fs_->inode(number, bytes_);
  const FileInfo what = info(number);
  if (!S_ISLNK(what.mode) || what.size == 0 || what.size >= kMostLinkBytes)
    damaged(fmt::format("inode {} is not a usable link", number));
  std::string target(what.size, '\0');
  // Short ones lie in the inode itself (kernel: ext4_inode_is_fast_symlink).
  if (what.size < sizeof inode.i_block && (inode.i_flags & (EXT4_EXTENTS_FL | EXT4_ENCRYPT_FL)) == 0) {
    std::memcpy(target.data(), inode.i_block, target.size());
  } else {
    for (const Stretch& stretch : data_of(number))
      read(stretch, 0, target.data() + stretch.begin, static_cast<size_t>(stretch.bytes));
  }
  if (target.find('\0') != std::string::npos) damaged(fmt::format("inode {} is not a usable link", number));
  return target;
}

std::optional<std::string> Ext4Reader::attribute(InodeNumber number, const std::string& name) const {
  ext2_xattr_handle* opened = nullptr;
  errcode_t code = ext2fs_xattrs_open(fs_->fs, number, &opened);
  const std::unique_ptr<ext2_xattr_handle,
                        decltype([](ext2_xattr_handle* handle) { ext2fs_xattrs_close(&handle); })>
      handle(opened);
  if (code == 0) code = ext2fs_xattrs_read(opened);
  void* value = nullptr;
  size_t size = 0;
  if (code == 0) code = ext2fs_xattr_get(opened, name.c_str(), &value, &size);
  if (code == EXT2_ET_EA_KEY_NOT_FOUND || code == EXT2_ET_MISSING_EA_FEATURE) return std::nullopt;
  if (code != 0) damaged(fmt::format("the attributes of inode {}: {}", number, ext2_message(code)));
  std::string text(static_cast<const char*>(value), size);
  ext2fs_free_mem(&value);
  return text;
}

}  // namespace knaller::disk
