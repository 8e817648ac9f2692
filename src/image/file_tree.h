// A tree of files that is being put together for a guest: from packages, from knaller's own files, from a
// tar. Owners, modes and device nodes are entries in it, never real ones, so an ordinary user can make them
// all.
//
// Contents are kept in one unlinked file. Paths are relative ("usr/bin/sh"). What comes out of an archive is
// hostile: no "..", no way through a link, nothing but the known types. One thread at a time.
#ifndef KNALLER_IMAGE_FILE_TREE_H_
#define KNALLER_IMAGE_FILE_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "disk/ext4.h"

struct archive;

namespace knaller::image {

class FileTree {
 public:
  struct Entry {
    mode_t type = 0;  // S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK or S_IFIFO
    disk::Attributes attributes = {};
    std::string target = {};  // of a symbolic link; of a hard link (type S_IFREG): the other path
    bool hard_link = false;
    uint64_t offset = 0;  // of the content
    uint64_t size = 0;
    uint32_t major = 0;
    uint32_t minor = 0;
  };
  // Where an archive's entry goes; an empty answer leaves it out.
  using Placement = std::function<std::string(const std::string& path)>;

  // `scratch` is an open directory on a file system with room for all contents.
  explicit FileTree(int scratch);

  // An entry that is there already is replaced; kCorrupt when only one of the two is a directory.
  void add_directory(const std::string& path, const disk::Attributes& attributes);
  void add_file(const std::string& path, const disk::Attributes& attributes, std::string_view content);
  void add_symlink(const std::string& path, const std::string& target);
  void add_node(const std::string& path, const disk::Attributes& attributes, mode_t type, uint32_t major,
                uint32_t minor);
  // Every entry of an archive that libarchive has open; `what` names it in errors.
  void add_archive(struct archive* archive, const Placement& placement, const Deadline& deadline,
                   std::string_view what);

  const Entry* find(const std::string& path) const;
  const std::map<std::string, Entry>& entries() const { return entries_; }
  std::string content(const Entry& entry) const;
  void remove(const std::string& path) { entries_.erase(path); }

  // An ext4 image with exactly this in it, owned by whom it should be; sparse.
  void write_ext4(const std::string& image, const std::string& label, const Deadline& deadline) const;

 private:
  void insert(const std::string& path, Entry entry);
  // Gives the current time to what has none of its own.
  disk::Attributes dated(disk::Attributes attributes) const;
  void add_archive_file(struct archive* archive, const std::string& path, Entry entry, std::string_view what);
  uint64_t image_bytes() const;
  void write_entry(disk::Ext4Writer& writer, const std::string& path, const Entry& entry) const;

  int64_t now_ = std::time(nullptr);
  UniqueFd spool_;
  uint64_t spool_end_ = 0;
  std::map<std::string, Entry> entries_;
};

// "./usr//bin/" -> "usr/bin"; the root itself is "". kCorrupt for "..", control characters and overlong
// names.
std::string clean_path(std::string_view path);

// Where Debian's packages, some of which still name /bin, /sbin and /lib, put things on a system with a
// merged /usr.
std::string merged_usr(const std::string& path);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_FILE_TREE_H_
