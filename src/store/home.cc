#include "store/home.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/error.h"
#include "store/names.h"
#include "store/owner.h"

namespace knaller::store {
namespace {

// Not all of these are in <linux/magic.h>.
constexpr long kCifsMagic = 0xFF534D42;
constexpr long kCephMagic = 0x00C36400;

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

void require_local(int dir) {
  const std::string type = network_file_system_at(dir);
  if (!type.empty())
    throw Error(Code::kUnsupported,
                fmt::format("it lies on {}, where locks and renames can't be relied on", type),
                "set KNALLER_HOME to a folder on a local file system; if no other host uses this one, "
                "--allow-network-home takes it");
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
  if (stat_if_exists(root, layout::kLocks)) return;
  fsync_fd(root, "knaller's home");
  sync_names_above(root);
}

}  // namespace

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
                      if (network == NetworkFileSystem::kRefused) require_local(home.root_.get());
                      home.vms_ = open_folder(home, layout::kVms);
                      home.snapshots_ = open_folder(home, layout::kSnapshots);
                      home.images_ = open_folder(home, layout::kImages);
                      check_cache(home);
                      sync_new_home(home.root_.get());
                      home.locks_ = open_folder(home, layout::kLocks);
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
    if (name.starts_with(layout::kNewPrefix)) names.push_back(layout::name_in_hidden(name));
  return names;
}

bool Home::has(Kind kind, const std::string& name) const {
  return stat_if_exists(folder(kind), name).has_value();
}

bool Home::has_any(Kind kind, const std::string& name) const {
  return has(kind, name) ||
         std::any_of(layout::kHiddenPrefixes.begin(), layout::kHiddenPrefixes.end(),
                     [&](std::string_view hidden) { return has(kind, std::string(hidden) + name); });
}

UniqueFd Home::open_entry(Kind kind, const std::string& name) const {
  UniqueFd entry = open_at(folder(kind), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  require_own_entry(entry.get(), path_of(kind, name));
  return entry;
}

EntryLock Home::lock(Kind kind, const std::string& name, const std::string& verb, const Deadline& deadline,
                     const std::function<void(const std::string&)>& on_wait) const {
  try {
    return {*this, kind, name,
            LockFile::acquire(locks_.get(), lock_name(kind, name), verb, deadline, on_wait)};
  } catch (Error& error) {
    // A home that can't be written is met here first.
    if (error.code() == Code::kPermission || error.code() == Code::kExhausted) {
      error.in(fmt::format("lock it in '{}/{}'", path_, layout::kLocks));
      if (error.hint().empty())
        error.with_hint("make that folder writable, or set KNALLER_HOME to one that is");
    }
    throw;
  }
}

std::optional<EntryLock> Home::try_lock(Kind kind, const std::string& name, const std::string& verb) const {
  auto file = LockFile::try_acquire(locks_.get(), lock_name(kind, name), verb);
  if (!file) return std::nullopt;
  return EntryLock(*this, kind, name, std::move(*file));
}

bool Home::is_locked(Kind kind, const std::string& name) const {
  return !lock_holder(locks_.get(), lock_name(kind, name)).empty();
}

EntryLock::EntryLock(EntryLock&& other) noexcept
    : home_(other.home_),
      kind_(other.kind_),
      name_(std::move(other.name_)),
      file_(std::exchange(other.file_, std::nullopt)) {}

EntryLock& EntryLock::operator=(EntryLock&& other) noexcept {
  if (this == &other) return *this;
  release();
  home_ = other.home_;
  kind_ = other.kind_;
  name_ = std::move(other.name_);
  file_ = std::exchange(other.file_, std::nullopt);
  return *this;
}

EntryLock::~EntryLock() {
  release();
}

void EntryLock::end_without_file() noexcept {
  if (file_) file_->unlink_while_held();
  file_.reset();
}

void EntryLock::release() noexcept {
  if (!file_) return;
  try {
    if (!home_->has_any(kind_, name_)) file_->unlink_while_held();
  } catch (const std::exception&) {
    // The next sweep looks again.
  }
  file_.reset();
}

}  // namespace knaller::store
