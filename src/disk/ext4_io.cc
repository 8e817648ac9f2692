#include "disk/ext4_io.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "base/error.h"

namespace knaller::disk {
namespace {

constexpr uint64_t kSuperBlockAt = 1024;
// All are kept in memory. 64 TiB in groups of 128 MiB have 32 MiB of them.
constexpr uint64_t kMostDescriptorBytes = 64 << 20;

// The library hands the manager nothing but a name.
thread_local const DiskBytes* opening = nullptr;

errcode_t open_channel(const char* name, int, io_channel* channel) {
  auto* made = static_cast<io_channel>(std::calloc(1, sizeof(struct_io_channel)));
  if (made == nullptr) return EXT2_ET_NO_MEMORY;
  made->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  made->manager = nullptr;  // set by the caller, who knows it
  made->name = ::strdup(name);
  made->block_size = 1024;
  made->refcount = 1;
  made->private_data = const_cast<DiskBytes*>(opening);
  *channel = made;
  return 0;
}

errcode_t close_channel(io_channel channel) {
  if (--channel->refcount > 0) return 0;
  std::free(channel->name);
  std::free(channel);
  return 0;
}

errcode_t set_block_size(io_channel channel, int size) {
  channel->block_size = size;
  return 0;
}

// A negative count is one of bytes.
errcode_t read_blocks(io_channel channel, unsigned long long block, int count, void* data) {
  const auto& bytes = *static_cast<const DiskBytes*>(channel->private_data);
  const auto block_size = static_cast<uint64_t>(channel->block_size);
  const size_t size =
      count < 0 ? static_cast<size_t>(-static_cast<int64_t>(count)) : static_cast<size_t>(count) * block_size;
  try {
    if (block > bytes.size() / block_size) return EXT2_ET_SHORT_READ;
    bytes.read(static_cast<char*>(data), size, block * block_size);
    return 0;
  } catch (const Error& error) {
    return error.code() == Code::kCorrupt ? EXT2_ET_SHORT_READ : EIO;
  }
}

errcode_t read_blocks_32(io_channel channel, unsigned long block, int count, void* data) {
  return read_blocks(channel, block, count, data);
}

errcode_t flush(io_channel) {
  return 0;
}

errcode_t refuse_option(io_channel, const char*, const char*) {
  return EXT2_ET_INVALID_ARGUMENT;
}

// No write functions: without them the library answers EXT2_ET_UNIMPLEMENTED, and it is opened read-only.
struct_io_manager make_manager() {
  struct_io_manager manager = {};
  manager.magic = EXT2_ET_MAGIC_IO_MANAGER;
  manager.name = "knaller";
  manager.close = close_channel;
  manager.set_blksize = set_block_size;
  manager.read_blk = read_blocks_32;
  manager.read_blk64 = read_blocks;
  manager.flush = flush;
  manager.set_option = refuse_option;
  return manager;
}

struct_io_manager the_manager = make_manager();

errcode_t open_managed(const char* name, int flags, io_channel* channel) {
  const errcode_t code = open_channel(name, flags, channel);
  if (code == 0) (*channel)->manager = &the_manager;
  return code;
}

uint64_t number_at(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// Before the library allocates its tables by what the superblock says.
void check_bounds(const DiskBytes& bytes) {
  std::string super(1024, '\0');
  if (bytes.size() < kSuperBlockAt + super.size())
    fail(Code::kCorrupt, "{} is not an ext4 file system: it is too short", bytes.what());
  bytes.read(super.data(), super.size(), kSuperBlockAt);
  const uint64_t log_block_size = number_at(super, 24);
  const bool is_64bit = (number_at(super, 96) & EXT4_FEATURE_INCOMPAT_64BIT) != 0;
  const uint64_t blocks = number_at(super, 4) | (is_64bit ? number_at(super, 336) << 32 : 0);
  if ((number_at(super, 56) & 0xffff) != EXT2_SUPER_MAGIC || log_block_size > 6)
    fail(Code::kCorrupt, "{} is not an ext4 file system", bytes.what());
  if (blocks > bytes.size() >> (10 + log_block_size))
    fail(Code::kCorrupt, "the file system in {} is larger than the disk", bytes.what());
  const uint64_t blocks_per_group = number_at(super, 32);
  const uint64_t descriptor_bytes = is_64bit ? number_at(super, 254) & 0xffff : EXT2_MIN_DESC_SIZE;
  if (blocks_per_group == 0 ||
      blocks / blocks_per_group > kMostDescriptorBytes / std::max<uint64_t>(descriptor_bytes, 1))
    fail(Code::kCorrupt, "the file system in {} has more groups of blocks than one would have", bytes.what());
}

}  // namespace

std::string ext2_message(errcode_t code) {
  static std::once_flag once;
  std::call_once(once, initialize_ext2_error_table);
  return error_message(code);
}

ext2_filsys open_file_system(const DiskBytes& bytes) {
  static std::once_flag once;
  std::call_once(once, [] { the_manager.open = open_managed; });
  check_bounds(bytes);
  ext2_filsys fs = nullptr;
  opening = &bytes;
  const errcode_t code = ext2fs_open(bytes.what().c_str(), EXT2_FLAG_64BITS, 0, 0, &the_manager, &fs);
  opening = nullptr;
  if (code == EXT2_ET_UNSUPP_FEATURE || code == EXT2_ET_RO_UNSUPP_FEATURE)
    fail(Code::kUnsupported, "the file system in {} has features that can't be read here", bytes.what());
  if (code != 0)
    fail(Code::kCorrupt, "the file system in {} is damaged: {}", bytes.what(), ext2_message(code));
  return fs;
}

}  // namespace knaller::disk
