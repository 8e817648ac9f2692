#include "store/home.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/error.h"
#include "base/rename.h"
#include "store/names.h"
#include "store/owner.h"

namespace knaller::store {
namespace {

// Not all of these are in <linux/magic.h>.
constexpr long kCifsMagic = 0xFF534D42;
constexpr long kCephMagic = 0x00C36400;

constexpr std::chrono::seconds kRemovalTime{10};

std::string network_file_system_at(int dir) {
  struct statfs info {};
  if (::fstatfs(dir, &info) != 0) fail_errno("look at the file system of knaller's home");
  switch (static_cast<long>(info.f_type)) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case FUSE_SUPER_MAGIC:
      return "FUSE";
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case kCifsMagic:
      return "SMB";
    case kCephMagic:
      return "Ceph";
    case V9FS_MAGIC:
      return "9p";
    default:
      return {};
  }
}

UniqueFd open_folder(const Home& home, const std::string& name) {
  if (::mkdirat(home.root(), name.c_str(), 0700) != 0 && errno != EEXIST)
    fail_errno("make '{}' in knaller's home", name);
  // O_PATH: whose it is can be told of one that may not be read, too.
  const UniqueFd found = open_at(home.root(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  require_own_folder(found.get(), home.path() + "/" + name);
  return open_at(found.get(), ".", O_RDONLY | O_DIRECTORY);
}

// Packages and programs are taken from there; it is made when it is needed, and may be a link.
void check_cache(const Home& home) {
  const UniqueFd cache(::open(home.cache_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (cache) require_own_folder(cache.get(), home.cache_path());
}

// The home's own name, and that of each folder above it that this user may have made, which lies in the last
// one looked at. Not of a mount point, nor of what lies in a folder that can't be read.
void sync_names_above(int root) {
  UniqueFd folder = open_at(root, ".", O_RDONLY | O_DIRECTORY);
  struct stat info {};
  if (::fstat(folder.get(), &info) != 0) fail_errno("look at knaller's home");
  while (info.st_uid == ::geteuid()) {
    UniqueFd above(::openat(folder.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!above && errno == EACCES) return;
    struct stat info_above {};
    if (!above || ::fstat(above.get(), &info_above) != 0) fail_errno("look at the folder of knaller's home");
    if (info_above.st_dev != info.st_dev || info_above.st_ino == info.st_ino) return;
    fsync_fd(above.get(), "the folder of knaller's home");
    folder = std::move(above);
    info = info_above;
  }
}

// What is announced as durable must not lie in folders that a power cut takes away. `locks`, which needs no
// disk, is made after this: where it is, all else was synced, whoever was interrupted when.
void sync_new_home(int root) {
  if (stat_if_exists(root, "locks")) return;
  fsync_fd(root, "knaller's home");
  sync_names_above(root);
}

void rename_in(int folder, const std::string& from, const std::string& to) {
  if (rename_new(folder, from, to) != 0) fail_errno("rename '{}' to '{}'", from, to);
}

}  // namespace

std::string_view folder_of(Kind kind) {
  switch (kind) {
    case Kind::kVm:
      return "vms";
    case Kind::kSnapshot:
      return "snapshots";
    case Kind::kImage:
      return "images";
  }
  fail(Code::kInternal, "no folder for kind {}", static_cast<int>(kind));
}

std::string lock_name(Kind kind, const std::string& name) {
  switch (kind) {
    case Kind::kVm:
      return "vm-" + name;
    case Kind::kSnapshot:
      return "snap-" + name;
    case Kind::kImage:
      return "image-" + name;
  }
  fail(Code::kInternal, "no lock for kind {}", static_cast<int>(kind));
}

Home Home::open(const std::string& path, NetworkFileSystem network) {
  if (path.empty() || path.front() != '/')
    fail(Code::kInvalidArgument, "knaller's home must be an absolute path, not '{}'", path);
  return in_context([&] { return fmt::format("open knaller's home '{}'", path); },
                    [&] {
                      make_directories(path);
                      Home home;
                      const UniqueFd found = open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
                      char resolved[PATH_MAX];
                      if (::realpath(path.c_str(), resolved) == nullptr) fail_errno("resolve '{}'", path);
                      home.path_ = resolved;
                      require_own_folder(found.get(), home.path_);
                      home.root_ = open_at(found.get(), ".", O_RDONLY | O_DIRECTORY);
                      const std::string type = network_file_system_at(home.root_.get());
                      if (!type.empty() && network == NetworkFileSystem::kRefused)
                        throw Error(
                            Code::kUnsupported,
                            fmt::format("it lies on {}, where locks and renames can't be relied on", type),
                            "set KNALLER_HOME to a folder on a local file system");
                      home.vms_ = open_folder(home, "vms");
                      home.snapshots_ = open_folder(home, "snapshots");
                      home.images_ = open_folder(home, "images");
                      check_cache(home);
                      sync_new_home(home.root_.get());
                      home.locks_ = open_folder(home, "locks");
                      return home;
                    });
}

std::string Home::network_file_system() const {
  return network_file_system_at(root_.get());
}

int Home::folder(Kind kind) const {
  switch (kind) {
    case Kind::kVm:
      return vms_.get();
    case Kind::kSnapshot:
      return snapshots_.get();
    case Kind::kImage:
      return images_.get();
  }
  fail(Code::kInternal, "no folder for kind {}", static_cast<int>(kind));
}

std::string Home::path_of(Kind kind, const std::string& entry) const {
  return fmt::format("{}/{}/{}", path_, folder_of(kind), entry);
}

std::vector<std::string> Home::entries(Kind kind) const {
  std::vector<std::string> names = list_directory(folder(kind));
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

std::vector<std::string> Home::entries_in_making(Kind kind) const {
  std::vector<std::string> names;
  for (const std::string& name : list_directory(folder(kind)))
    if (name.starts_with(kNewPrefix)) names.push_back(name.substr(kNewPrefix.size()));
  return names;
}

bool Home::has(Kind kind, const std::string& name) const {
  return stat_if_exists(folder(kind), name).has_value();
}

UniqueFd Home::open_entry(Kind kind, const std::string& name) const {
  return open_at(folder(kind), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

LockFile Home::lock(Kind kind, const std::string& name, const std::string& verb, const Deadline& deadline,
                    const std::function<void(const std::string&)>& on_wait) const {
  try {
    return LockFile::acquire(locks_.get(), lock_name(kind, name), verb, deadline, on_wait);
  } catch (Error& error) {
    // A home that can't be written is met here first.
    if (error.code() == Code::kPermission || error.code() == Code::kExhausted) {
      error.in(fmt::format("lock it in '{}/locks'", path_));
      if (error.hint().empty())
        error.with_hint("make that folder writable, or set KNALLER_HOME to one that is");
    }
    throw;
  }
}

std::optional<LockFile> Home::try_lock(Kind kind, const std::string& name, const std::string& verb) const {
  return LockFile::try_acquire(locks_.get(), lock_name(kind, name), verb);
}

bool Home::is_locked(Kind kind, const std::string& name) const {
  return !lock_holder(locks_.get(), lock_name(kind, name)).empty();
}

void Home::sweep() const {
  const Deadline deadline = Deadline::after(kSweepTime);
  for (const Kind kind : {Kind::kVm, Kind::kSnapshot, Kind::kImage}) {
    sweep_folder(kind, deadline);
    sweep_locks(kind);
  }
}

// Locks of what never came to be, or went away without a command: a start that failed, a VM tied to one.
void Home::sweep_locks(Kind kind) const {
  const std::string prefix = lock_name(kind, "");
  const auto is_used = [&](const std::string& name) {
    return has(kind, name) || std::any_of(kHiddenPrefixes.begin(), kHiddenPrefixes.end(),
                                          [&](auto hidden) { return has(kind, std::string(hidden) + name); });
  };
  for (const std::string& file : list_directory(locks_.get())) {
    if (!file.starts_with(prefix)) continue;
    const std::string name = file.substr(prefix.size());
    if (is_used(name)) continue;
    try {
      auto lock = LockFile::try_acquire(locks_.get(), file, "sweep");
      if (lock && !is_used(name)) lock->unlink_while_held();
    } catch (const Error&) {
      // An empty file hurts nobody; a home that can't be written can still be listed.
    }
  }
}

void Home::sweep_folder(Kind kind, const Deadline& deadline) const {
  for (const std::string& entry : list_directory(folder(kind))) {
    try {
      sweep_entry(kind, entry, deadline);
    } catch (const Error&) {
      // Another user's, or a bad disk: it hurts nobody, and `knaller store check` tells of it.
    }
  }
}

// A VM that is being made is also held by its monitor, which undoes it when its launcher is gone.
bool Home::is_alive(Kind kind, const std::string& entry) const {
  const auto alive = stat_if_exists(folder(kind), entry + "/alive");
  if (!alive || !S_ISREG(alive->st_mode)) return false;
  const UniqueFd fd = open_at(folder(kind), entry + "/alive", O_RDONLY | O_NOFOLLOW);
  return is_byte_locked(fd.get(), 0) || is_byte_locked(fd.get(), 1);
}

void Home::sweep_entry(Kind kind, const std::string& entry, const Deadline& deadline) const {
  const auto prefix = std::find_if(kHiddenPrefixes.begin(), kHiddenPrefixes.end(),
                                   [&](std::string_view hidden) { return entry.starts_with(hidden); });
  if (prefix == kHiddenPrefixes.end()) return;
  const std::string name = entry.substr(prefix->size());
  auto lock = try_lock(kind, name, "sweep");
  if (!lock || is_alive(kind, entry) || is_alive(kind, std::string(kNewPrefix) + name)) return;
  finish_interrupted(kind, entry, deadline);
  if (!has(kind, name)) lock->unlink_while_held();
}

void Home::finish_interrupted(Kind kind, const std::string& entry, const Deadline& deadline) const {
  const bool is_old = entry.starts_with(kOldPrefix);
  const std::string name = is_old ? entry.substr(kOldPrefix.size()) : "";
  if (!is_old || has(kind, name)) return remove_tree(folder(kind), entry, deadline);
  // What was to replace it never came to its name.
  rename_in(folder(kind), entry, name);
  fsync_fd(folder(kind), folder_of(kind));
}

void Home::retire(Kind kind, const std::string& name) const {
  const std::string gone = std::string(kGonePrefix) + name;
  remove_tree(folder(kind), gone);
  rename_in(folder(kind), name, gone);
  fsync_fd(folder(kind), folder_of(kind));
  try {
    remove_tree(folder(kind), gone, Deadline::after(kRemovalTime));
  } catch (const Error& error) {
    if (error.code() != Code::kTimeout) throw;
  }
}

StagedEntry::StagedEntry(const Home& home, Kind kind, const std::string& name, Existing existing)
    : home_(home),
      kind_(kind),
      name_(name),
      existing_(existing),
      staged_name_(std::string(kNewPrefix) + name) {
  const int folder = home.folder(kind);
  if (existing == Existing::kRefused && home.has(kind, name))
    fail(Code::kAlreadyExists, "'{}' exists already", name);
  remove_tree(folder, staged_name_);
  if (::mkdirat(folder, staged_name_.c_str(), 0700) != 0)
    fail_errno("make the folder '{}'", home.path_of(kind, staged_name_));
  directory_ = open_at(folder, staged_name_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// First out of the way, in one step: a monitor whose launcher has lost it may give the entry its name at this
// very time, and then all of it must be there.
StagedEntry::~StagedEntry() {
  if (!owned_) return;
  try {
    const int folder = home_.folder(kind_);
    const std::string gone = std::string(kGonePrefix) + name_;
    remove_tree(folder, gone);
    rename_in(folder, staged_name_, gone);
    remove_tree(folder, gone);
  } catch (const Error&) {
    // It has its name, or it is gone already; what can't be removed now the next sweep tries again.
  }
}

void StagedEntry::publish(Durability durability) {
  const int folder = home_.folder(kind_);
  if (durability == Durability::kFsync) fsync_fd(directory_.get(), staged_name_);
  const bool replaces = existing_ == Existing::kReplaced && home_.has(kind_, name_);
  if (!replaces)
    rename_in(folder, staged_name_, name_);
  else if (exchange_names(folder, staged_name_, name_, std::string(kOldPrefix) + name_) != 0)
    fail_errno("put '{}' in the place of '{}'", staged_name_, name_);
  // After an exchange the old entry has our ".new-" name, and the destructor removes it.
  owned_ = replaces;
  if (durability == Durability::kFsync) make_name_durable(replaces);
}

// A command that fails must not have done what it was to do: where the name can't be made durable, it is
// taken back.
void StagedEntry::make_name_durable(bool replaces) {
  const int folder = home_.folder(kind_);
  try {
    fsync_fd(folder, folder_of(kind_));
  } catch (Error& error) {
    const bool is_back =
        (replaces ? exchange_names(folder, name_, staged_name_, std::string(kOldPrefix) + name_)
                  : rename_new(folder, name_, staged_name_)) == 0;
    owned_ = is_back;
    if (!is_back)
      error.with_hint(
          fmt::format("'{}' is there all the same, and may be lost if the power goes now", name_));
    throw;
  }
}

}  // namespace knaller::store
