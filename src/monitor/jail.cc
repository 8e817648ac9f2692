#include "monitor/jail.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "monitor/mounts.h"

namespace knaller::monitor {
namespace {

// What a merged-usr system has as links into /usr, and others as directories.
constexpr std::array kSystemFolders{"bin", "sbin", "lib", "lib32", "lib64", "libx32"};

// A mount that is not attached anywhere yet.
struct Detached {
  UniqueFd fd;
  std::string target;  // below the new root, without a leading slash
  bool directory = false;
};

constexpr MountRules kReadOnlyTree{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, true};
constexpr MountRules kReadOnlyFile{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false};
constexpr MountRules kDevice{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false};
// Nothing in a VM's directory is a program: an engine that a guest has taken over can't execute what it
// writes.
constexpr MountRules kWritable{MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, true};
constexpr MountRules kWritableReadOnly{kWritable.attributes | MOUNT_ATTR_RDONLY, true};

UniqueFd clone_restricted(int source, const std::string& path, const MountRules& rules) {
  UniqueFd mount = clone_mount(source, rules.recursive, fmt::format("bind '{}' into the jail", path));
  set_attributes(mount.get(), rules, fmt::format("restrict the mount of '{}'", path));
  return mount;
}

struct stat status_of(int fd, const std::string& path) {
  struct stat status;
  if (::fstat(fd, &status) != 0) fail_errno("look at '{}'", path);
  return status;
}

Detached clone_host_path(const std::string& path, std::string target, const MountRules& rules) {
  const UniqueFd source = open_at(AT_FDCWD, path, O_PATH);
  const bool directory = S_ISDIR(status_of(source.get(), path).st_mode);
  return {clone_restricted(source.get(), path, rules), std::move(target), directory};
}

// A file or folder of the VM's own directory, which a hostile engine may have filled before a reboot of its
// guest.
Detached clone_jail_file(int jail, const std::string& name, std::string target, const MountRules& rules) {
  const UniqueFd source = open_beneath(jail, name, O_PATH);
  const mode_t mode = status_of(source.get(), name).st_mode;
  if (!S_ISREG(mode) && !S_ISDIR(mode)) {
    fail(Code::kCorrupt, "'{}' in the VM's directory is not a regular file", printable(name));
  }
  return {clone_restricted(source.get(), name, rules), std::move(target), S_ISDIR(mode)};
}

std::string engine_target(const std::string& binary) {
  return "engine/" + binary.substr(binary.rfind('/') + 1);
}

// Where a foreign absolute path may appear: anywhere that is not the jail's own.
std::string foreign_target(const std::string& path) {
  const auto parts = split(path, '/');
  const auto refuse = [&](std::string_view why) {
    fail(Code::kUnsupported, "the snapshot's state names '{}', which {}", printable(path), why);
  };
  if (parts.size() < 2 || !parts[0].empty()) refuse("is not an absolute path of a file");
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].empty() || parts[i] == "." || parts[i] == "..") refuse("is not a plain path");
  }
  static constexpr std::array kTaken{"usr",    "bin", "sbin", "lib", "lib32", "lib64",
                                     "libx32", "dev", "proc", "etc", "vm",    "engine"};
  if (std::find(kTaken.begin(), kTaken.end(), parts[1]) != kTaken.end()) {
    refuse("can't be shown to the engine there");
  }
  return path.substr(1);
}

void clone_devices(const std::vector<std::string>& needed, std::vector<Detached>& mounts) {
  std::vector<std::string> devices{"null", "urandom"};
  for (const std::string& device : needed)
    if (exists("/dev/" + device)) devices.push_back(device);
  for (const std::string& device : devices)
    mounts.push_back(clone_host_path("/dev/" + device, "dev/" + device, kDevice));
}

void clone_host_files(const std::vector<std::string>& files, std::vector<Detached>& mounts) {
  for (const std::string& file : files)
    mounts.push_back(clone_host_path(file, file.substr(1), kReadOnlyTree));
  if (!files.empty() && exists("/etc/ld.so.cache"))
    mounts.push_back(clone_host_path("/etc/ld.so.cache", "etc/ld.so.cache", kReadOnlyFile));
}

// Everything of the host's that the jail shows, taken before the new root covers any of it.
std::vector<Detached> clone_sources(const JailOptions& options, PreparedMounts& prepared) {
  std::vector<Detached> mounts;
  clone_host_files(options.files, mounts);
  if (prepared.devices)
    mounts.push_back({std::move(prepared.devices), "dev", true});
  else
    clone_devices(options.devices, mounts);
  mounts.push_back(
      clone_host_path(options.engine_binary, engine_target(options.engine_binary), kReadOnlyFile));
  if (!prepared.directory) {
    const UniqueFd jail = open_beneath(AT_FDCWD, options.directory, O_PATH | O_DIRECTORY);
    prepared.directory = clone_restricted(jail.get(), options.directory, kWritable);
  }
  mounts.push_back({std::move(prepared.directory), "vm", true});
  return mounts;
}

// Single files of the VM's directory, taken from where it is attached: a detached mount can't be cloned again
// before Linux 6.15.
std::vector<Detached> clone_vm_files(int vm, const JailOptions& options) {
  std::vector<Detached> mounts;
  const auto is_immutable = [&](const std::string& name) {
    return std::find(options.immutable.begin(), options.immutable.end(), name) != options.immutable.end();
  };
  for (const auto& name : options.immutable)
    mounts.push_back(clone_jail_file(vm, name, "vm/" + name, kWritableReadOnly));
  for (const auto& [name, path] : options.binds)
    mounts.push_back(
        clone_jail_file(vm, name, foreign_target(path), is_immutable(name) ? kWritableReadOnly : kWritable));
  return mounts;
}

void attach(int mount, int target_dir, const std::string& target) {
  UniqueFd place;
  if (!target.empty()) place = open_beneath(target_dir, target, O_PATH);
  const int at = target.empty() ? target_dir : place.get();
  if (::move_mount(mount, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    fail_mount(fmt::format("attach '/{}' in the jail", target));
  }
}

// Makes what mounts lie on in the new root. Neighbours share a folder, which is looked up once: QEMU has some
// fifty files in three of them.
class MountPoints {
 public:
  explicit MountPoints(int root) : root_(root) {}

  void make_and_attach(const Detached& mount) {
    const size_t slash = mount.target.rfind('/');
    open_folder(slash == std::string::npos ? "" : mount.target.substr(0, slash));
    const std::string name = mount.target.substr(slash + 1);
    const int folder = folder_ ? folder_.get() : root_;
    if (mount.directory)
      make_folder(folder, name);
    else
      open_at(folder, name, O_CREAT | O_RDONLY | O_NOFOLLOW, 0444);
    if (::move_mount(mount.fd.get(), "", folder, name.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
      fail_mount(fmt::format("attach '/{}' in the jail", printable(mount.target)));
  }

 private:
  void open_folder(const std::string& path) {
    if (path == path_) return;
    folder_.reset();
    for (const std::string_view part : split(path, '/')) {
      if (part.empty()) continue;
      const int above = folder_ ? folder_.get() : root_;
      make_folder(above, std::string(part));
      folder_ = open_at(above, std::string(part), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    }
    path_ = path;
  }

  static void make_folder(int above, const std::string& name) {
    if (::mkdirat(above, name.c_str(), 0755) != 0 && errno != EEXIST)
      fail_errno("make the folder '{}' in the jail", printable(name));
  }

  int root_;
  std::string path_;
  UniqueFd folder_;  // of path_; nothing for the root
};

void link_system_folders(int root) {
  for (const std::string folder : kSystemFolders) {
    char target[256];
    const ssize_t length = ::readlink(("/" + folder).c_str(), target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = '\0';
    if (::symlinkat(target, root, folder.c_str()) != 0) fail_errno("make the link '/{}' in the jail", folder);
  }
}

// In order: later ones may lie on earlier ones. Below /vm, the host's file system, what they lie on is there
// already, and must be.
void attach_all(int root, std::vector<Detached> mounts) {
  MountPoints points(root);
  for (auto& mount : mounts) {
    if (mount.target.starts_with("vm/"))
      attach(mount.fd.get(), root, mount.target);
    else
      points.make_and_attach(mount);
    mount.fd.reset();
  }
}

void mount_proc(int root) {
  // Of this pid namespace, so this process must be in it already. subset=pid is what an ordinary user may
  // mount even where parts of the host's /proc are masked (containers).
  const UniqueFd proc =
      make_file_system("proc", {{"subset", "pid"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (::mkdirat(root, "proc", 0555) != 0) fail_errno("make '/proc' in the jail");
  attach(proc.get(), root, "proc");
}

// Capabilities stay: it is leaving the namespace's own root that would take them, and the host's is not that.
void take_identity(const EngineIdentity& identity) {
  if (!identity.borrowed) return;
  if (::setgroups(0, nullptr) != 0) fail_errno("leave root's groups");
  if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) fail_errno("take the engine's group");
  if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) fail_errno("take the engine's user");
}

// The old root ends up on top of the new one and is taken off again: pivot_root(2), "pivot_root(".", ".")".
void make_root(int root) {
  if (::fchdir(root) != 0) fail_errno("enter the jail's root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) fail_mount("make the jail the root");
  if (::umount2(".", MNT_DETACH) != 0) fail_mount("let go of the host's root");
  if (::chdir("/") != 0) fail_errno("enter the jail's root");
  set_attributes(root, {MOUNT_ATTR_RDONLY, false}, "make the jail's root read-only");
}

}  // namespace

UniqueFd clone_read_only(int folder, const std::string& what) {
  return clone_restricted(folder, what, {kReadOnlyFile.attributes | MOUNT_ATTR_NOEXEC, false});
}

std::string enter_jail(const JailOptions& options, PreparedMounts prepared) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    fail_mount("keep the jail's mounts from the host");
  }
  auto mounts = clone_sources(options, prepared);
  // What was opened so far may be for root alone; what is made from here on is the engine's.
  take_identity(options.identity);
  const UniqueFd root =
      make_file_system("tmpfs", {{"mode", "0755"}, {"size", "1m"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  // Any directory will do to attach it to; it is the root in a moment.
  attach(root.get(), open_directory("/usr").get(), "");
  attach_all(root.get(), std::move(mounts));
  attach_all(root.get(), clone_vm_files(open_beneath(root.get(), "vm", O_PATH | O_DIRECTORY).get(), options));
  mount_proc(root.get());
  if (!options.files.empty()) link_system_folders(root.get());
  make_root(root.get());
  if (::chdir("/vm") != 0) fail_errno("enter the VM's directory in the jail");
  return "/" + engine_target(options.engine_binary);
}

void drop_privileges() {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    fail_errno("clear the ambient capabilities");
  // EINVAL: past the last capability that this kernel knows.
  for (int capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {
  }
  if (errno != EINVAL) fail_errno("empty the capability bounding set");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail_errno("set NO_NEW_PRIVS");
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capset, &header, none) != 0) fail_errno("drop all capabilities");
}

}  // namespace knaller::monitor
