#include <ext2fs/ext2fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <mutex>

#include "base/error.h"
#include "disk/ext4.h"

namespace knaller::disk {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
constexpr size_t kMostNameBytes = 255;

// Codes below 256 are errno values; the library's own have texts once its table is registered.
[[noreturn]] void fail_ext2(errcode_t code, std::string what) {
  static std::once_flag once;
  std::call_once(once, initialize_ext2_error_table);
  if (code > 0 && code < 256) throw errno_error(static_cast<int>(code), std::move(what));
  const bool full = code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL;
  throw Error(full ? Code::kExhausted : Code::kIo, fmt::format("cannot {}: {}", what, error_message(code)));
}

int file_type_of(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EXT2_FT_REG_FILE;
    case S_IFDIR:
      return EXT2_FT_DIR;
    case S_IFLNK:
      return EXT2_FT_SYMLINK;
    case S_IFCHR:
      return EXT2_FT_CHRDEV;
    case S_IFBLK:
      return EXT2_FT_BLKDEV;
    case S_IFIFO:
      return EXT2_FT_FIFO;
    case S_IFSOCK:
      return EXT2_FT_SOCK;
    default:
      return EXT2_FT_UNKNOWN;
  }
}

// "a/b/c" -> {"a/b", "c"}
std::pair<std::string, std::string> split_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string parent = slash == std::string::npos ? std::string() : path.substr(0, slash);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == ".." || name.size() > kMostNameBytes ||
      name.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "'{}' can't be a path in an image", path);
  return {std::move(parent), std::move(name)};
}

}  // namespace

struct Ext4Writer::Impl {
  ext2_filsys fs = nullptr;
  std::map<std::string, ext2_ino_t> made = {{"", EXT2_ROOT_INO}};
  std::string image;

  ext2_ino_t parent_of(const std::string& path) {
    const auto found = made.find(path);
    if (found != made.end()) return found->second;
    return make_directory(path);
  }

  ext2_ino_t new_inode(ext2_ino_t parent, uint32_t mode, const std::string& path) {
    ext2_ino_t ino = 0;
    const errcode_t code = ext2fs_new_inode(fs, parent, static_cast<int>(mode), nullptr, &ino);
    if (code != 0) fail_ext2(code, fmt::format("find room for '{}' in '{}'", path, image));
    return ino;
  }

  // Adds a name, making the directory longer when it is full.
  void link(ext2_ino_t parent, const std::string& name, ext2_ino_t ino, int type, const std::string& path) {
    errcode_t code = ext2fs_link(fs, parent, name.c_str(), ino, type);
    if (code == EXT2_ET_DIR_NO_SPACE) {
      code = ext2fs_expand_dir(fs, parent);
      if (code == 0) code = ext2fs_link(fs, parent, name.c_str(), ino, type);
    }
    if (code != 0) fail_ext2(code, fmt::format("name '{}' in '{}'", path, image));
  }

  void remember(const std::string& path, ext2_ino_t ino) {
    if (!made.emplace(path, ino).second) fail(Code::kInvalidArgument, "'{}' is there twice", path);
  }

  ext2_ino_t make_directory(const std::string& path) {
    const auto [parent_path, name] = split_path(path);
    const ext2_ino_t parent = parent_of(parent_path);
    const ext2_ino_t ino = new_inode(parent, LINUX_S_IFDIR | 0755, path);
    errcode_t code = ext2fs_mkdir(fs, parent, ino, name.c_str());
    if (code == EXT2_ET_DIR_NO_SPACE) {
      code = ext2fs_expand_dir(fs, parent);
      if (code == 0) code = ext2fs_mkdir(fs, parent, ino, name.c_str());
    }
    if (code != 0) fail_ext2(code, fmt::format("make the directory '{}' in '{}'", path, image));
    remember(path, ino);
    return ino;
  }

  static void fill(ext2_inode* inode, const Attributes& attributes) {
    inode->i_mode = static_cast<__u16>((inode->i_mode & S_IFMT) | (attributes.permissions & 07777));
    inode->i_uid = static_cast<__u16>(attributes.uid);
    inode->i_gid = static_cast<__u16>(attributes.gid);
    ext2fs_set_i_uid_high(*inode, static_cast<__u16>(attributes.uid >> 16));
    ext2fs_set_i_gid_high(*inode, static_cast<__u16>(attributes.gid >> 16));
    inode->i_atime = inode->i_ctime = inode->i_mtime = static_cast<__u32>(attributes.modified);
  }

  void set_xattrs(ext2_ino_t ino, const Attributes& attributes, const std::string& path) {
    if (attributes.xattrs.empty()) return;
    ext2_xattr_handle* handle = nullptr;
    errcode_t code = ext2fs_xattrs_open(fs, ino, &handle);
    if (code == 0) code = ext2fs_xattrs_read(handle);
    for (const auto& [key, value] : attributes.xattrs) {
      if (code == 0) code = ext2fs_xattr_set(handle, key.c_str(), value.data(), value.size());
    }
    if (code == 0) code = ext2fs_xattrs_write(handle);
    if (handle != nullptr) ext2fs_xattrs_close(&handle);
    if (code != 0) fail_ext2(code, fmt::format("set the extended attributes of '{}' in '{}'", path, image));
  }

  void set_attributes(ext2_ino_t ino, const Attributes& attributes, const std::string& path) {
    ext2_inode inode{};
    errcode_t code = ext2fs_read_inode(fs, ino, &inode);
    if (code == 0) {
      fill(&inode, attributes);
      code = ext2fs_write_inode(fs, ino, &inode);
    }
    if (code != 0) fail_ext2(code, fmt::format("set the attributes of '{}' in '{}'", path, image));
    set_xattrs(ino, attributes, path);
  }

  // A new inode with its name, written and counted; its content comes after.
  ext2_ino_t add(const std::string& path, const Attributes& attributes, uint32_t type, ext2_inode inode) {
    const auto [parent_path, name] = split_path(path);
    const ext2_ino_t parent = parent_of(parent_path);
    const ext2_ino_t ino = new_inode(parent, type | attributes.permissions, path);
    inode.i_mode = static_cast<__u16>(type);
    inode.i_links_count = 1;
    fill(&inode, attributes);
    link(parent, name, ino, file_type_of(type), path);
    ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
    const errcode_t code = ext2fs_write_new_inode(fs, ino, &inode);
    if (code != 0) fail_ext2(code, fmt::format("write the inode of '{}' in '{}'", path, image));
    remember(path, ino);
    return ino;
  }

  void write_content(ext2_ino_t ino, const std::string& path, uint64_t size, const Read& read) {
    ext2_file_t file = nullptr;
    errcode_t code = ext2fs_file_open(fs, ino, EXT2_FILE_WRITE, &file);
    if (code != 0) fail_ext2(code, fmt::format("open '{}' in '{}'", path, image));
    std::unique_ptr<ext2_file, decltype([](ext2_file* open) { ext2fs_file_close(open); })> owner(file);
    std::string buffer(static_cast<size_t>(std::min<uint64_t>(size, kBufferBytes)), '\0');
    for (uint64_t done = 0; done < size;) {
      const size_t count =
          read(buffer.data(), static_cast<size_t>(std::min<uint64_t>(buffer.size(), size - done)));
      if (count == 0) fail(Code::kIo, "'{}' ended after {} of {} bytes", path, done, size);
      write_piece(file, buffer.data(), count, path);
      done += count;
    }
    code = ext2fs_file_close(owner.release());
    if (code != 0) fail_ext2(code, fmt::format("write '{}' in '{}'", path, image));
  }

  void write_piece(ext2_file_t file, const char* data, size_t size, const std::string& path) {
    while (size > 0) {
      unsigned int written = 0;
      const errcode_t code = ext2fs_file_write(file, data, static_cast<unsigned int>(size), &written);
      if (code != 0) fail_ext2(code, fmt::format("write '{}' in '{}'", path, image));
      data += written;
      size -= written;
    }
  }

  ~Impl() {
    if (fs != nullptr) ext2fs_free(fs);
  }
};

Ext4Writer::Ext4Writer(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->image = path;
  errcode_t code =
      ext2fs_open(path.c_str(), EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &impl_->fs);
  if (code == 0) code = ext2fs_read_bitmaps(impl_->fs);
  if (code != 0) fail_ext2(code, fmt::format("open the file system in '{}'", path));
  // mke2fs has made it, and every image has it; the user's own tree may bring one too.
  ext2_ino_t lost_and_found = 0;
  if (ext2fs_lookup(impl_->fs, EXT2_ROOT_INO, "lost+found", 10, nullptr, &lost_and_found) == 0)
    impl_->made.emplace("lost+found", lost_and_found);
}

Ext4Writer::~Ext4Writer() = default;

void Ext4Writer::directory(const std::string& path, const Attributes& attributes) {
  const auto found = impl_->made.find(path);
  const ext2_ino_t ino = found != impl_->made.end() ? found->second : impl_->make_directory(path);
  if (ext2fs_check_directory(impl_->fs, ino) != 0) fail(Code::kInvalidArgument, "'{}' is there twice", path);
  impl_->set_attributes(ino, attributes, path);
}

void Ext4Writer::file(const std::string& path, const Attributes& attributes, uint64_t size,
                      const Read& read) {
  ext2_inode inode{};
  inode.i_flags = EXT4_EXTENTS_FL;
  const ext2_ino_t ino = impl_->add(path, attributes, S_IFREG, inode);
  // Opening a handle on an inode without an extent tree writes the empty tree's header into it.
  ext2_extent_handle_t extents = nullptr;
  errcode_t code = ext2fs_read_inode(impl_->fs, ino, &inode);
  if (code == 0) code = ext2fs_extent_open2(impl_->fs, ino, &inode, &extents);
  if (code == 0) {
    ext2fs_extent_free(extents);
    code = ext2fs_inode_size_set(impl_->fs, &inode, static_cast<ext2_off64_t>(size));
  }
  if (code == 0) code = ext2fs_write_inode(impl_->fs, ino, &inode);
  if (code != 0) fail_ext2(code, fmt::format("make '{}' in '{}'", path, impl_->image));
  impl_->set_xattrs(ino, attributes, path);
  if (size > 0) impl_->write_content(ino, path, size, read);
}

void Ext4Writer::symlink(const std::string& path, const Attributes& attributes, const std::string& target) {
  const auto [parent_path, name] = split_path(path);
  if (target.empty() || target.size() >= 4096)
    fail(Code::kInvalidArgument, "'{}' has no usable link target", path);
  const ext2_ino_t parent = impl_->parent_of(parent_path);
  const ext2_ino_t ino = impl_->new_inode(parent, S_IFLNK | 0777, path);
  errcode_t code = ext2fs_symlink(impl_->fs, parent, ino, name.c_str(), target.c_str());
  if (code == EXT2_ET_DIR_NO_SPACE) {
    code = ext2fs_expand_dir(impl_->fs, parent);
    if (code == 0) code = ext2fs_symlink(impl_->fs, parent, ino, name.c_str(), target.c_str());
  }
  if (code != 0) fail_ext2(code, fmt::format("make the link '{}' in '{}'", path, impl_->image));
  impl_->remember(path, ino);
  Attributes full = attributes;
  full.permissions = 0777;
  impl_->set_attributes(ino, full, path);
}

void Ext4Writer::node(const std::string& path, const Attributes& attributes, mode_t type, uint32_t major,
                      uint32_t minor) {
  ext2_inode inode{};
  // The kernel's two encodings of a device number (fs.h: old_encode_dev, new_encode_dev).
  if (major < 256 && minor < 256) {
    inode.i_block[0] = (major << 8) | minor;
  } else {
    inode.i_block[1] = (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
  }
  const ext2_ino_t ino = impl_->add(path, attributes, type & S_IFMT, inode);
  impl_->set_xattrs(ino, attributes, path);
}

void Ext4Writer::hard_link(const std::string& path, const std::string& existing) {
  const auto found = impl_->made.find(existing);
  if (found == impl_->made.end())
    fail(Code::kInvalidArgument, "'{}' links to '{}', which is not there", path, existing);
  const ext2_ino_t ino = found->second;
  const auto [parent_path, name] = split_path(path);
  const ext2_ino_t parent = impl_->parent_of(parent_path);
  ext2_inode inode{};
  errcode_t code = ext2fs_read_inode(impl_->fs, ino, &inode);
  if (code != 0) fail_ext2(code, fmt::format("read the inode of '{}'", existing));
  if ((inode.i_mode & S_IFMT) == S_IFDIR)
    fail(Code::kInvalidArgument, "'{}' is a hard link to a directory", path);
  impl_->link(parent, name, ino, file_type_of(inode.i_mode), path);
  ++inode.i_links_count;
  code = ext2fs_write_inode(impl_->fs, ino, &inode);
  if (code != 0) fail_ext2(code, fmt::format("link '{}' in '{}'", path, impl_->image));
  impl_->remember(path, ino);
}

void Ext4Writer::close() {
  const errcode_t code = ext2fs_close_free(&impl_->fs);
  impl_->fs = nullptr;
  if (code != 0) fail_ext2(code, fmt::format("write '{}'", impl_->image));
}

}  // namespace knaller::disk
