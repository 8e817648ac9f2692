#include "store/usage.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::store {
namespace {

// Each level holds a descriptor.
constexpr int kMostDepth = 128;

class Walk {
 public:
  Walk(TreeUse& use, const Deadline& deadline, uint64_t most) : use_(use), deadline_(deadline), left_(most) {}

  void look_through(int dir, const std::string& name, const std::string& path, int depth) {
    if (look_at(dir, name)) enter(dir, name, path, depth);
  }

  // True for a folder.
  bool look_at(int dir, const std::string& name) {
    const auto info = stat_if_exists(dir, name);
    if (!info) return false;
    const bool is_folder = S_ISDIR(info->st_mode);
    InodeUse& inode = use_.inodes[{info->st_dev, info->st_ino}];
    ++inode.links_here;
    // A folder's further links are its own "." and the ".." of those in it.
    inode.links = is_folder ? 1 : info->st_nlink;
    inode.allocated = static_cast<uint64_t>(info->st_blocks) * 512;
    if (S_ISREG(info->st_mode)) inode.apparent = static_cast<uint64_t>(info->st_size);
    return is_folder;
  }

 private:
  void enter(int dir, const std::string& name, const std::string& path, int depth) {
    if (depth == kMostDepth) return use_.unreadable.push_back(path);
    UniqueFd folder;
    try {
      folder = open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) use_.unreadable.push_back(path);
      return;
    }
    while (true) {
      const std::vector<std::string> names = names_of(folder.get(), path);
      if (names.empty()) return;
      for (const std::string& entry : names) {
        deadline_.check("the measurement of what files take");
        if (left_ == 0) return use_.unreadable.push_back(path);
        --left_;
        look_through(folder.get(), entry, fmt::format("{}/{}", path, entry), depth + 1);
      }
    }
  }

  std::vector<std::string> names_of(int folder, const std::string& path) {
    try {
      return next_names(folder);
    } catch (const Error&) {
      use_.unreadable.push_back(path);
      return {};
    }
  }

  TreeUse& use_;
  const Deadline& deadline_;
  uint64_t left_;  // of the entries that are looked at
};

}  // namespace

uint64_t TreeUse::allocated() const {
  uint64_t bytes = 0;
  for (const auto& [id, inode] : inodes) bytes += inode.allocated;
  return bytes;
}

uint64_t TreeUse::apparent() const {
  uint64_t bytes = 0;
  for (const auto& [id, inode] : inodes) bytes += inode.apparent;
  return bytes;
}

uint64_t TreeUse::exclusive() const {
  uint64_t bytes = 0;
  for (const auto& [id, inode] : inodes)
    if (inode.links_here >= inode.links) bytes += inode.allocated;
  return bytes;
}

TreeUse look_through(int dir, const std::string& name, const Deadline& deadline, uint64_t most) {
  TreeUse use;
  Walk(use, deadline, most).look_through(dir, name, name, 0);
  return use;
}

TreeUse look_at(int dir, const std::string& name) {
  TreeUse use;
  Walk(use, Deadline::never(), 0).look_at(dir, name);
  return use;
}

uint64_t allocated_in(int directory) {
  uint64_t bytes = 0;
  for (const std::string& name : list_directory(directory)) {
    const auto info = stat_if_exists(directory, name);
    if (info && S_ISREG(info->st_mode)) bytes += static_cast<uint64_t>(info->st_blocks) * 512;
  }
  return bytes;
}

void require_room(const FreeSpace& home, uint64_t bytes, std::string_view what) {
  if (room_for(home, bytes) == Room::kEnough) return;
  throw Error(Code::kExhausted,
              fmt::format("{} needs {}, and {} are free in knaller's home", what, format_bytes(bytes),
                          format_bytes(home.bytes)),
              "see what takes the room: knaller store du; remove old snapshots: knaller snapshot prune");
}

void add(TreeUse& to, const TreeUse& tree) {
  for (const auto& [id, inode] : tree.inodes) {
    InodeUse& sum = to.inodes[id];
    const uint64_t links_here = sum.links_here + inode.links_here;
    sum = inode;
    sum.links_here = links_here;
  }
  to.unreadable.insert(to.unreadable.end(), tree.unreadable.begin(), tree.unreadable.end());
}

uint64_t PlannedRemovals::remove(const TreeUse& tree) {
  uint64_t freed = 0;
  for (const auto& [id, inode] : tree.inodes) {
    uint64_t& removed = removed_links_[id];
    if (removed >= inode.links) continue;
    removed += inode.links_here;
    if (removed >= inode.links) freed += inode.allocated;
  }
  return freed;
}

}  // namespace knaller::store
