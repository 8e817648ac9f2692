// Reads an ext4 file system out of a file: nothing is mounted, nothing is written, and its journal is taken
// into account.
//
// The file is hostile, and its size says nothing: a disk of terabytes that is all hole fits into an archive
// of kilobytes. Whatever is read is checked against the disk's own bounds and against constants that no real
// file system comes near, so that no loop and no size in it can make a reader crash, hang or fill the memory.
// Damage is kCorrupt, what is not known here (encrypted files) kUnsupported. Not safe for concurrent use,
// except for read().
#ifndef KNALLER_DISK_EXT4_READER_H_
#define KNALLER_DISK_EXT4_READER_H_

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "disk/disk_bytes.h"

namespace knaller::disk {

using InodeNumber = uint32_t;

struct FileInfo {
  mode_t mode = 0;  // type and permissions
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  uint32_t links = 0;
  timespec modified = {};
  uint32_t major = 0;  // of a device
  uint32_t minor = 0;
};

// A stretch of a file that is not a hole, and where on the disk its bytes are.
struct Stretch {
  uint64_t begin = 0;  // in the file
  uint64_t bytes = 0;
  uint64_t on_disk = 0;

  bool operator==(const Stretch&) const = default;
};

class Ext4Reader {
 public:
  // `what` names the disk in errors: "disk.ext4".
  Ext4Reader(UniqueFd file, const std::string& what);
  Ext4Reader(const Ext4Reader&) = delete;
  Ext4Reader& operator=(const Ext4Reader&) = delete;
  ~Ext4Reader();

  static constexpr InodeNumber kRoot = 2;

  FileInfo info(InodeNumber inode) const;
  // Without "." and "..".
  std::map<std::string, InodeNumber> names_in(InodeNumber directory) const;
  std::string link_target(InodeNumber inode) const;
  // Nothing when there is none of that name: "trusted.overlay.opaque".
  std::optional<std::string> attribute(InodeNumber inode, const std::string& name) const;
  // In the file's order, none of them empty. What is in a hole of the disk is left out: it is zeros.
  std::vector<Stretch> data_of(InodeNumber inode) const;
  // Of the blocks that hold a directory's names, holes or not.
  uint64_t folder_bytes(InodeNumber directory) const;
  // `size` bytes of a stretch, from `skip` on.
  void read(const Stretch& stretch, uint64_t skip, char* buffer, size_t size) const;

  const DiskBytes& bytes() const { return bytes_; }

 private:
  struct FileSystem;

  void open();
  void replay_journal();
  std::vector<Stretch> mapped(InodeNumber inode) const;
  [[noreturn]] void damaged(const std::string& why) const;
  void parse_names(const std::string& block, std::map<std::string, InodeNumber>& names) const;

  DiskBytes bytes_;
  std::unique_ptr<FileSystem> fs_;
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_EXT4_READER_H_
