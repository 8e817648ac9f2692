// Makes files, folders and links below one folder of the host from names that a hostile guest chose. Nothing
// outside that folder is read, made or changed, whatever the names are and whatever links were made before:
// every path is reached by openat2(2) with RESOLVE_BENEATH and without following any link. Existing folders
// are used; other existing things are replaced in one step.
//
// Devices, pipes and sockets cannot be made; set-user-id, set-group-id and sticky bits are dropped, since the
// files become the user's own. A name that leads out of the folder is kCorrupt.
#ifndef KNALLER_GUEST_CONFINED_TREE_H_
#define KNALLER_GUEST_CONFINED_TREE_H_

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace knaller::guest {

struct Attributes {
  mode_t mode = 0600;
  timespec modified{};
};

using PathParts = std::vector<std::string>;

// The names between the slashes, "." left out. kCorrupt: absolute, "..", empty, a NUL, longer than 4096
// bytes.
// "." alone gives no parts.
PathParts confined_parts(std::string_view path);

class ConfinedTree {
 public:
  explicit ConfinedTree(UniqueFd root) : root_(std::move(root)) {}

  // A file that is there under its name only after commit(), whole. Not committed: it never was.
  class File {
   public:
    File(File&&) noexcept = default;
    File& operator=(File&&) = delete;
    ~File();
    void write(std::string_view data);
    // For files with holes, instead of write(): blocks of zeros are left out, and the file ends at `size`.
    void write_at(std::string_view data, uint64_t offset);
    void set_size(uint64_t size);
    void commit(const Attributes& attributes);

   private:
    friend class ConfinedTree;
    File(ConfinedTree& tree, const PathParts& path);

    ConfinedTree& tree_;
    std::string shown_;
    UniqueFd parent_;
    std::string name_;
    std::string temporary_;
    UniqueFd fd_;
  };

  File make_file(const PathParts& path) { return File(*this, path); }
  void make_directory(const PathParts& path, const Attributes& attributes);
  void make_symlink(const PathParts& path, const std::string& target, const Attributes& attributes);
  // Only to a file that this object made: an archive must not give its own names to the user's files.
  void make_hard_link(const PathParts& path, const PathParts& existing);
  // Gives the folders that were made their modes and times, which come last: what is put into a folder
  // changes its time, and a folder may be read-only.
  void finish();

 private:
  UniqueFd open_folder(const PathParts& path, size_t depth, int flags) const;
  UniqueFd open_parent(const PathParts& path) const;

  UniqueFd root_;
  std::map<PathParts, Attributes> directories_;
  std::set<std::pair<dev_t, ino_t>> files_;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_CONFINED_TREE_H_
