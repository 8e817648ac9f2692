// Makes files, folders and links below one folder of the host from names that somebody hostile chose: a guest
// that sends them, a disk that has them. Nothing outside that folder is read, made or changed, whatever the
// names are and whatever links were made before: every path is reached by openat2(2) with RESOLVE_BENEATH and
// without following any link. Existing folders are used as they are. A regular file, a link to one or to
// nothing, and a link that this object made are replaced in one step; a folder, a device, a pipe, a socket
// and any other link to one of these are not (kAlreadyExists).
//
// Devices, pipes and sockets cannot be made; set-user-id, set-group-id and sticky bits are dropped, since the
// files become the user's own, and so is what the process's umask takes away, unless it is asked for. A name
// that leads out of the folder is kCorrupt.
#ifndef KNALLER_BASE_CONFINED_TREE_H_
#define KNALLER_BASE_CONFINED_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace knaller {

struct FileAttributes {
  mode_t mode = 0600;
  timespec modified{};
  std::optional<std::pair<uid_t, gid_t>> owner = std::nullopt;  // none: whoever makes it
  std::vector<std::pair<std::string, std::string>> xattrs = {};
  bool against_umask = false;
};

using PathParts = std::vector<std::string>;

// Where a link leads, as it is written there.
std::string read_link(int folder, const std::string& name);

// For what has not got its name yet: ".knaller-0123456789abcdef", another one each time.
std::string hidden_name();

// The names between the slashes, "." left out: "." alone gives no parts. kCorrupt: absolute, "..", empty, a
// NUL, longer than 4096 bytes.
PathParts confined_parts(std::string_view path);

class ConfinedTree {
 public:
  // What it remembers of all that it made takes at most about `most_kept` bytes of memory; then it is
  // kExhausted.
  explicit ConfinedTree(UniqueFd root, uint64_t most_kept = uint64_t{512} << 20);

  // A file that appears under its name only with commit(), whole; one that isn't committed never appears.
  class File {
   public:
    File(File&&) noexcept = default;
    File& operator=(File&&) = delete;
    ~File();
    // Blocks of zeros are left out, and the file ends at the size that is set.
    void write_at(std::string_view data, uint64_t offset);
    void set_size(uint64_t size);
    void commit(const FileAttributes& attributes);

   private:
    friend class ConfinedTree;
    File(ConfinedTree& tree, const PathParts& path);

    ConfinedTree& tree_;
    PathParts path_;
    std::string shown_;
    UniqueFd parent_;
    std::string name_;
    std::string temporary_;
    UniqueFd fd_;
  };

  File make_file(const PathParts& path) { return File(*this, path); }
  void make_directory(const PathParts& path, const FileAttributes& attributes);
  void make_symlink(const PathParts& path, const std::string& target, const FileAttributes& attributes);
  // Only to a file that this object made: what is unpacked must not give its own names to the user's files.
  void make_hard_link(const PathParts& path, const PathParts& existing);
  // The root was made for this, too: finish() gives it these.
  void adopt_root(const FileAttributes& attributes) { directories_[{}] = attributes; }
  // Gives the folders that were made their modes and times, which come last: what is put into a folder
  // changes its time, and a folder may be read-only.
  void finish();

 private:
  UniqueFd open_folder(const PathParts& path, size_t depth, int flags) const;
  UniqueFd open_parent(const PathParts& path) const;
  // Throws unless a file or link may take that name. `link_target`: of the link that is to take it.
  void check_replaceable(int folder, const std::string& name, const PathParts& path,
                         const std::string* link_target = nullptr) const;
  void keep(uint64_t bytes);
  void set_attributes(int fd, const FileAttributes& attributes, const std::string& shown_path) const;

  UniqueFd root_;
  mode_t umask_;
  uint64_t left_;  // of what may be kept
  std::map<PathParts, FileAttributes> directories_;
  // What this object made.
  std::set<std::pair<dev_t, ino_t>> files_;
  std::set<std::pair<dev_t, ino_t>> links_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_CONFINED_TREE_H_
