// The files of a guest as the guest sees them: one ext4 file system, or a shared base below a private disk,
// merged as overlayfs does (upper/ on the disk, whiteouts, opaque directories), with the disk's own file
// system at /var/lib/knaller. Nothing is mounted.
//
// The disks are hostile; see disk/ext4_reader.h. The overlay features that the guests' kernel does not use
// itself (redirected directories, files of which only the metadata was copied up) are kUnsupported, naming
// the file. Not safe for concurrent use, except for read().
#ifndef KNALLER_DISK_DISK_TREE_H_
#define KNALLER_DISK_DISK_TREE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "disk/ext4_reader.h"

namespace knaller::disk {

class DiskTree {
 public:
  // A guest's only disk.
  explicit DiskTree(UniqueFd root);
  DiskTree(UniqueFd base, UniqueFd disk);

  enum class Place : uint8_t {
    kPlain,  // of a disk as it is
    kUpper,  // of the private disk, where it covers the base
    kBase,
    kMount,  // the root of the private disk, at /var/lib/knaller
  };

  // Where a file is. Plain data.
  struct Node {
    Place place = Place::kPlain;
    InodeNumber inode = 0;
    InodeNumber below = 0;  // of a directory: that of the base which it is merged with; 0: none
    // The way to /var/lib/knaller: 1 for /var, 2 for /var/lib, 3 for itself; of /: 0; else -1.
    int8_t depth = -1;
    // Only its metadata is here; asking for more is kUnsupported.
    bool redirected = false;

    auto operator<=>(const Node&) const = default;
  };

  Node root() const;
  FileInfo info(const Node& node) const;
  // Of a directory; `path` is for errors.
  std::map<std::string, Node> children(const Node& directory, std::string_view path) const;
  std::string link_target(const Node& node) const;
  std::vector<Stretch> data_of(const Node& node) const;
  void read(const Node& node, const Stretch& stretch, uint64_t skip, char* buffer, size_t size) const;

  // Follows links on the way, not a last one unless the path ends in "/". kNotFound when it is not there.
  Node find(std::string_view path) const;

  // How many bytes of the disks are not holes: files or folders that have more than that share their blocks.
  // Looks at all of them.
  uint64_t data_bytes() const;
  // Of the blocks that hold a directory's names, in both disks where it is merged.
  uint64_t folder_bytes(const Node& directory) const;
  // The file of the base, to see whether two trees have the same one; -1: none.
  int base_fd() const;

 private:
  const Ext4Reader& reader_of(const Node& node) const;
  Node node_in_base(InodeNumber inode, int8_t depth) const;
  std::optional<Node> upper_node(InodeNumber inode) const;
  bool is_redirected(InodeNumber inode) const;
  std::map<std::string, Node> merged(const Node& directory) const;

  std::unique_ptr<Ext4Reader> base_;
  std::unique_ptr<Ext4Reader> disk_;
  InodeNumber upper_ = 0;  // upper/ on the disk; 0: the guest never booted
};

}  // namespace knaller::disk

#endif  // KNALLER_DISK_DISK_TREE_H_
