// knaller's data directory: where VMs, snapshots, images and locks are kept.
//
//   HOME/vms/NAME  HOME/snapshots/ID  HOME/images/NAME  HOME/locks
//
// store/transaction.h makes and removes entries, and store/sweep.h cleans up after interrupted commands. A
// Home may be used from several threads.
#ifndef KNALLER_STORE_HOME_H_
#define KNALLER_STORE_HOME_H_

#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/lock.h"
#include "store/layout.h"

namespace knaller::store {

enum class Kind { kVm, kSnapshot, kImage };

// "vms", "snapshots", "images"
constexpr std::string_view folder_of(Kind kind) {
  switch (kind) {
    case Kind::kVm:
      return layout::kVms;
    case Kind::kSnapshot:
      return layout::kSnapshots;
    case Kind::kImage:
      return layout::kImages;
  }
  return {};
}
inline constexpr Kind kKinds[] = {Kind::kVm, Kind::kSnapshot, Kind::kImage};
static_assert(folder_of(static_cast<Kind>(std::size(kKinds))).empty(), "a kind is missing above");
// "vm-web", "snap-snap_0a1b2c3d", "image-tiny"
std::string lock_name(Kind kind, const std::string& name);

class Home;

// The right to change one entry. When it ends and there is no such entry, not even a hidden one, its lock
// file goes, too. The Home must outlive it.
class EntryLock {
 public:
  EntryLock(EntryLock&& other) noexcept;
  EntryLock& operator=(EntryLock&& other) noexcept;
  ~EntryLock();

  const Home& home() const { return *home_; }
  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  // Ends it and removes its file although the entry exists: one that had no lock file before.
  void end_without_file() noexcept;

 private:
  friend class Home;
  EntryLock(const Home& home, Kind kind, std::string name, LockFile file)
      : home_(&home), kind_(kind), name_(std::move(name)), file_(std::move(file)) {}
  void release() noexcept;

  const Home* home_;
  Kind kind_;
  std::string name_;
  std::optional<LockFile> file_;
};

class Home {
 public:
  enum class NetworkFileSystem { kRefused, kAllowed };
  // Makes the directories that are missing. kUnsupported for a home on a network or FUSE file system, whose
  // locks and renames can't be relied on. kPermission for one that is, or has a folder that is, somebody
  // else's, or in which somebody else may write.
  static Home open(const std::string& path, NetworkFileSystem network = NetworkFileSystem::kRefused);

  const std::string& path() const { return path_; }
  // For what can be made or fetched again: may not exist.
  std::string cache_path() const { return path_ + "/" + layout::kCache; }
  int root() const { return root_.get(); }
  int locks() const { return locks_.get(); }
  // "NFS", "FUSE", …; empty on a local file system.
  std::string network_file_system() const;
  int folder(Kind kind) const;
  std::string path_of(Kind kind, const std::string& entry) const;

  // Names of the published entries, sorted; leaves out everything with a leading dot.
  std::vector<std::string> entries(Kind kind) const;
  // Names (without ".new-") of the entries that are being made, or that a killed command left unfinished.
  std::vector<std::string> entries_in_making(Kind kind) const;
  bool has(Kind kind, const std::string& name) const;
  // The same, or a hidden entry of that name.
  bool has_any(Kind kind, const std::string& name) const;
  // Throws kNotFound, and kPermission for one that belongs to another user than this one or root.
  UniqueFd open_entry(Kind kind, const std::string& name) const;

  // Serialises the commands that change one entry. kBusy, naming the holder, when the deadline passes.
  EntryLock lock(Kind kind, const std::string& name, const std::string& verb, const Deadline& deadline,
                 const std::function<void(const std::string& holder)>& on_wait = {}) const;

  // The same without waiting; nothing when somebody holds it.
  std::optional<EntryLock> try_lock(Kind kind, const std::string& name, const std::string& verb) const;

  // Somebody works on an entry of that name. Takes nothing.
  bool is_locked(Kind kind, const std::string& name) const;

 private:
  Home() = default;

  std::string path_;
  UniqueFd root_;
  UniqueFd vms_;
  UniqueFd snapshots_;
  UniqueFd images_;
  UniqueFd locks_;
};

}  // namespace knaller::store

#endif  // KNALLER_STORE_HOME_H_
