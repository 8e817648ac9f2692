// A running engine's guest memory, found by its mappings and read from outside, the same for Firecracker and
// QEMU.
//
// A memory file holds the guest's memory from its first byte to its last; an offset below is a position in
// that file. Only the pages that the engine changed since it loaded its parent's memory file are ever read;
// the rest is the parent's file.
//
// The guest must be paused from before copy_changed() until it has returned, and, on Firecracker, the state
// must have been created before (each create writes into guest memory). Reading a process needs ptrace rights
// on it: its parent has them under Yama 0 and 1, the user who made its user namespace always.
#ifndef KNALLER_MEMORY_GUEST_MEMORY_H_
#define KNALLER_MEMORY_GUEST_MEMORY_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "memory/staging_buffer.h"

namespace knaller::memory {

// The name of the memfd on which knaller-qemu puts the memory of a VM that it boots.
inline constexpr const char* kMemfdName = "knaller-guest-memory";

// One line of /proc/PID/maps.
struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  bool writable = false;
  bool shared = false;
  uint64_t inode = 0;
  std::string path;
};
std::vector<Mapping> parse_mappings(const std::string& maps);

// How the engine holds the memory.
enum class Backing {
  kPrivateFile,  // a copy-on-write mapping of the parent's memory file
  kShared,       // a shared mapping of a memfd, which holds all of it
  kAnonymous,    // Firecracker's, after a boot
};

class GuestMemory {
 public:
  // Looks at `pid` (as /proc shows it) and at all its descendants for memory of `size` bytes. `parent` is the
  // open memory file that the VM was restored from, -1 when it never was. A file that none of them maps does
  // not count: the VM has been booted since. Nothing when no mapping is certain to be it: then ask the engine
  // for a Full snapshot.
  static std::optional<GuestMemory> find(pid_t pid, uint64_t size, int parent);

  // The same memory, looked for again in its process alone; nothing when it is not as it was.
  std::optional<GuestMemory> find_again(int parent) const;

  pid_t pid() const { return pid_; }
  uint64_t size() const { return size_; }
  Backing backing() const { return backing_; }

  // About as many bytes as copy_changed() would write now; the guest may run.
  uint64_t changed_bytes(const Deadline& deadline) const;
  // Makes the empty file `to` size() bytes long and writes every page that differs from the parent (all that
  // are not zero, when there is none) at its offset, on all cores. Pages of zeros become holes. Returns what
  // needs no more work, in ascending order: this includes what is staged, which the caller has to write. Of a
  // clone's memory everything is staged that there is room for; of other memory, whole shares that are full
  // enough, one extent each, while one of the threads writes the others.
  std::vector<Extent> copy_changed(int to, const Deadline& deadline, StagingBuffer* staging = nullptr) const;

 private:
  struct Stretch {
    uint64_t address = 0;
    Extent extent;  // of the memory file
  };
  GuestMemory(pid_t pid, uint64_t size) : pid_(pid), size_(size) {}

  static std::optional<GuestMemory> find_in(UniqueFd process, pid_t pid, uint64_t size, int parent);
  bool take_private(const std::vector<Mapping>& mappings, int parent);
  bool take_shared(const std::vector<Mapping>& mappings);
  bool take_anonymous(const std::vector<Mapping>& mappings);
  bool take_whole(const std::vector<Mapping>& mappings, const std::function<bool(const Mapping&)>& belongs);
  // What copy_changed() copies of each share, where it is cheaper to know for all of them at once.
  std::vector<std::vector<Extent>> changed_by_share() const;
  // What of `within` is the process's own.
  std::vector<Extent> changed_in(const Extent& within) const;
  std::optional<std::string> read_maps() const;  // nothing once the process has ended
  struct Piece {
    Extent extent;
    char* to = nullptr;
  };
  // At most a share; cheaper the fewer calls.
  void read(const std::vector<Piece>& pieces) const;
  void read_process(const std::vector<Piece>& pieces) const;
  void copy(const std::vector<Extent>& extents, int to, StagingBuffer* staging) const;
  void stage_share(const std::vector<Extent>& extents, const Extent& share, char* slot) const;
  void add_addresses(const Extent& extent, std::vector<iovec>& addresses) const;

  pid_t pid_;
  uint64_t size_;
  Backing backing_ = Backing::kAnonymous;
  bool is_own_proc_ = true;
  UniqueFd process_;  // /proc/PID: tells whether the pid still means this process
  UniqueFd content_;  // its address space, whatever the pid comes to mean
  UniqueFd pagemap_;  // except for kShared
  UniqueFd shared_;   // kShared: the memfd
  std::vector<Stretch> stretches_;
};

// The pid under which /proc shows the process of a pidfd. It differs from ours in a pid namespace whose /proc
// is still that of the namespace around it (pasta starts programs like that).
pid_t pid_in_proc(int pidfd);

// Writes what was staged to its place in the memory file; any thread.
void write_part(int to, const StagingBuffer::Part& part);

// The rest of what copy_changed() began, when the guest may run again: the parent's data outside of `done`,
// shared where the file system can, else copied on all cores.
void fill_unchanged(int parent, int to, uint64_t size, const std::vector<Extent>& done,
                    const Deadline& deadline);

}  // namespace knaller::memory

#endif  // KNALLER_MEMORY_GUEST_MEMORY_H_
