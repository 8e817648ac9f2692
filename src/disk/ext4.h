// Making ext4 file systems in files, as an ordinary user: mke2fs on a sparse file, and a writer that fills
// one through libext2fs, so that owners, modes and device nodes are what they should be and not what the user
// may create.
//
// Not safe for concurrent use of one writer. Failures are knaller::Error; a half-written file is the caller's
// to remove.
#ifndef KNALLER_DISK_EXT4_H_
#define KNALLER_DISK_EXT4_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/deadline.h"

namespace knaller::disk {

struct Ext4Options {
  uint64_t bytes = 0;
  uint64_t inodes = 0;  // 0: by the size
  bool journal = true;  // a file system that is only ever read needs none
  std::string label = {};
};

// Makes the file (which must not be there) and a file system in it; the root directory belongs to 0:0.
void make_ext4(const std::string& path, const Ext4Options& options, const Deadline& deadline);

struct Attributes {
  uint32_t permissions = 0644;  // 07777 at most
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t modified = 0;  // seconds since 1970
  std::vector<std::pair<std::string, std::string>> xattrs = {};
};

// Fills a file system that nobody has mounted. Paths are relative to its root ("usr/bin/sh"); a parent that
// is not there is made with mode 0755. Nothing may be made twice, except that a directory's attributes may be
// given later.
class Ext4Writer {
 public:
  // Gives up to `size` bytes; fewer only at the end of the file.
  using Read = std::function<size_t(char* buffer, size_t size)>;

  explicit Ext4Writer(const std::string& path);
  Ext4Writer(const Ext4Writer&) = delete;
  Ext4Writer& operator=(const Ext4Writer&) = delete;
  ~Ext4Writer();

  void directory(const std::string& path, const Attributes& attributes);
  void file(const std::string& path, const Attributes& attributes, uint64_t size, const Read& read);
  void symlink(const std::string& path, const Attributes& attributes, const std::string& target);
  // S_IFCHR, S_IFBLK, S_IFIFO or S_IFSOCK.
  void node(const std::string& path, const Attributes& attributes, mode_t type, uint32_t major,
            uint32_t minor);
  void hard_link(const std::string& path, const std::string& existing);

  // Writes what is still in memory. Without it the file is not a whole file system.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The program's path, also in the sbin folders that are on no ordinary user's PATH; kNotFound with the
// package to install.
std::string require_program(const std::string& name, const std::string& package);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_EXT4_H_
