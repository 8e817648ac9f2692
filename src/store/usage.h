// What directories take on the disk, by inodes: several names of one file are counted once, as du does it.
// Blocks that files share by reflinks can't be told from others, either here or by du.
#ifndef KNALLER_STORE_USAGE_H_
#define KNALLER_STORE_USAGE_H_

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/free_space.h"

namespace knaller::store {

struct InodeId {
  dev_t device = 0;
  ino_t number = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 sees a 0 in what the compiler makes of it.
  auto operator<=>(const InodeId&) const = default;
};

struct InodeUse {
  uint64_t links = 0;       // names that it has
  uint64_t links_here = 0;  // of those, in this tree
  uint64_t allocated = 0;   // bytes
  uint64_t apparent = 0;    // of regular files: their size
};

struct TreeUse {
  std::map<InodeId, InodeUse> inodes;
  std::vector<std::string> unreadable;  // folders that could not be looked into, or not in full

  uint64_t allocated() const;
  uint64_t apparent() const;
  // Of inodes that have no name anywhere else: what removing the tree would free.
  uint64_t exclusive() const;
};

// An honest VM's directory, image or snapshot has a few dozen. An engine's may have millions.
inline constexpr uint64_t kMostEntries = uint64_t{1} << 18;
// `name` below `dir` and everything in it, following no link. What vanishes meanwhile is skipped, and beyond
// `most` entries the folders that have them count as not readable in full.
TreeUse look_through(int dir, const std::string& name, const Deadline& deadline = Deadline::never(),
                     uint64_t most = kMostEntries);
// `name` alone.
TreeUse look_at(int dir, const std::string& name);
// Bytes that the files of a folder take, each by itself; not of those in folders below it.
uint64_t allocated_in(int directory);
// kExhausted, saying that `what` needs that many bytes and what to do, unless they fit into the home.
void require_room(const FreeSpace& home, uint64_t bytes, std::string_view what);
void add(TreeUse& to, const TreeUse& tree);

// Plans removals one after the other before anything is removed: the last name of a file frees it.
class PlannedRemovals {
 public:
  // The bytes that removing this tree frees, after those before it.
  uint64_t remove(const TreeUse& tree);

 private:
  std::map<InodeId, uint64_t> removed_links_;
};

}  // namespace knaller::store

#endif  // KNALLER_STORE_USAGE_H_
