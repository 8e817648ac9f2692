// knaller's data directory: where VMs, snapshots, images and locks lie, and how entries come and go there.
//
//   HOME/vms/NAME  HOME/snapshots/ID  HOME/images/NAME  HOME/locks
//
// An entry is made in `.new-NAME` and renamed when it is whole; it is renamed to `.gone-NAME` before it is
// deleted. On file systems that can't exchange two names in one step, one that is replaced is `.old-NAME` for
// a moment. All are worked on under the entry's lock, so what lies there with its lock free was left behind,
// and sweep() removes it. A Home may be used from several threads.
#ifndef KNALLER_STORE_HOME_H_
#define KNALLER_STORE_HOME_H_

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/lock.h"

namespace knaller::store {

// An entry that is being made, and one that is being removed.
inline constexpr std::string_view kNewPrefix = ".new-";
inline constexpr std::string_view kGonePrefix = ".gone-";
// One that another is about to take the name of, where the file system can't exchange names in one step.
inline constexpr std::string_view kOldPrefix = ".old-";
inline constexpr std::array kHiddenPrefixes{kNewPrefix, kGonePrefix, kOldPrefix};

// No command is held up for longer by what an engine filled with a million files: the next one goes on.
inline constexpr std::chrono::seconds kSweepTime{2};

enum class Kind { kVm, kSnapshot, kImage };

// "vms", "snapshots", "images"
std::string_view folder_of(Kind kind);
// "vm-web", "snap-snap_0a1b2c3d", "image-tiny"
std::string lock_name(Kind kind, const std::string& name);

class Home {
 public:
  enum class NetworkFileSystem { kRefused, kAllowed };
  // Makes the directories that are missing. kUnsupported for a home on a network or FUSE file system, whose
  // locks and renames can't be relied on. kPermission for one that is, or has a folder that is, somebody
  // else's, or in which somebody else may write.
  static Home open(const std::string& path, NetworkFileSystem network = NetworkFileSystem::kRefused);

  const std::string& path() const { return path_; }
  // Of what can be had again: may not exist.
  std::string cache_path() const { return path_ + "/cache"; }
  int root() const { return root_.get(); }
  int locks() const { return locks_.get(); }
  // "NFS", "FUSE", …; empty on a local file system.
  std::string network_file_system() const;
  int folder(Kind kind) const;
  std::string path_of(Kind kind, const std::string& entry) const;

  // Names of the published entries, sorted; leaves out everything with a leading dot.
  std::vector<std::string> entries(Kind kind) const;
  // Names (without ".new-") of the entries that somebody is making right now.
  std::vector<std::string> entries_in_making(Kind kind) const;
  bool has(Kind kind, const std::string& name) const;
  // Throws kNotFound.
  UniqueFd open_entry(Kind kind, const std::string& name) const;

  // Serialises the commands that change one entry. kBusy, naming the holder, when the deadline passes.
  LockFile lock(Kind kind, const std::string& name, const std::string& verb, const Deadline& deadline,
                const std::function<void(const std::string& holder)>& on_wait = {}) const;

  // The same without waiting; nothing when somebody holds it.
  std::optional<LockFile> try_lock(Kind kind, const std::string& name, const std::string& verb) const;

  // Somebody works on an entry of that name. Takes nothing.
  bool is_locked(Kind kind, const std::string& name) const;

  // Removes what interrupted commands left behind. Cheap when there is nothing.
  void sweep() const;
  // Of one hidden entry that somebody's death left, with its lock held: removes it, or gives it its name
  // back.
  void finish_interrupted(Kind kind, const std::string& entry, const Deadline& deadline) const;
  // Makes the entry unreachable in one step, then removes it; what takes too long is for the next sweep. Call
  // with its lock held.
  void retire(Kind kind, const std::string& name) const;

 private:
  Home() = default;
  void sweep_folder(Kind kind, const Deadline& deadline) const;
  bool is_alive(Kind kind, const std::string& entry) const;
  void sweep_entry(Kind kind, const std::string& entry, const Deadline& deadline) const;
  void sweep_locks(Kind kind) const;

  std::string path_;
  UniqueFd root_;
  UniqueFd vms_;
  UniqueFd snapshots_;
  UniqueFd images_;
  UniqueFd locks_;
};

// What becomes of a published entry of the same name.
enum class Existing { kRefused, kReplaced };

// A new entry while it is being made. Unless publish() is called, the destructor removes it.
class StagedEntry {
 public:
  // Call with the entry's lock held. kAlreadyExists when there is a published entry of that name, unless it
  // is to be replaced: it then stays until publish() puts this one in its place, in one step.
  StagedEntry(const Home& home, Kind kind, const std::string& name, Existing existing = Existing::kRefused);
  StagedEntry(const StagedEntry&) = delete;
  StagedEntry& operator=(const StagedEntry&) = delete;
  ~StagedEntry();

  int directory() const { return directory_.get(); }
  // ".new-NAME"
  const std::string& staged_name() const { return staged_name_; }
  // The point of no return: fsyncs the directory (unless kNoSync), renames it, fsyncs its parent. When it
  // throws, the entry has not come to be.
  void publish(Durability durability = Durability::kFsync);
  // Somebody else (the monitor) publishes or removes it from now on.
  void hand_over() { owned_ = false; }

 private:
  void make_name_durable(bool replaces);

  const Home& home_;
  Kind kind_;
  std::string name_;
  Existing existing_;
  std::string staged_name_;
  UniqueFd directory_;
  bool owned_ = true;
};

}  // namespace knaller::store

#endif  // KNALLER_STORE_HOME_H_
