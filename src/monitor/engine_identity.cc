#include "monitor/engine_identity.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "monitor/mounts.h"

namespace knaller::monitor {
namespace {

constexpr uint32_t kFirstId = 1'879'048'192;
constexpr uint32_t kLastId = 2'147'352'575;

constexpr MountRules kOwnDirectory{
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_IDMAP, false};

bool is_host_root() {
  if (::geteuid() != 0) return false;
  std::istringstream map(read_file("/proc/self/uid_map"));
  uint64_t inside = 0, outside = 0, count = 0;
  map >> inside >> outside >> count;
  return inside == 0 && outside == 0 && count == UINT32_MAX;
}

void make_device(int folder, const std::string& name) {
  struct stat device;
  if (::stat(("/dev/" + name).c_str(), &device) != 0) {
    if (errno == ENOENT) return;
    fail_errno("look at '/dev/{}'", name);
  }
  const std::string parent = name.substr(0, name.find('/'));
  if (parent != name &&
      (::mkdirat(folder, parent.c_str(), 0700) != 0 || ::fchmodat(folder, parent.c_str(), 0755, 0) != 0))
    fail_errno("make the folder of '/dev/{}'", name);
  // Modes apart from the calls, whatever this process's umask is.
  if (::mknodat(folder, name.c_str(), S_IFCHR | 0600, device.st_rdev) != 0 ||
      ::fchmodat(folder, name.c_str(), 0666, 0) != 0)
    fail_errno("make the engine's device '{}'", name);
}

}  // namespace

uid_t borrowed_id(std::string_view vm_uuid) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : vm_uuid) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return kFirstId + static_cast<uid_t>(hash % (kLastId - kFirstId + 1));
}

EngineIdentity engine_identity(std::string_view vm_uuid) {
  if (is_host_root()) {
    const uid_t id = borrowed_id(vm_uuid);
    return {.borrowed = true, .host_uid = id, .host_gid = id, .uid = 0, .gid = 0};
  }
  return {.borrowed = false,
          .host_uid = ::geteuid(),
          .host_gid = ::getegid(),
          .uid = ::geteuid(),
          .gid = ::getegid()};
}

UniqueFd mount_as_own(int directory, int user_namespace) {
  UniqueFd mount = clone_mount(directory, false, "take the VM's directory for the engine");
  try {
    set_attributes(mount.get(), kOwnDirectory, "show the VM's directory to an engine that is not root",
                   user_namespace);
  } catch (Error& error) {
    if (error.code() == Code::kInvalidArgument || error.code() == Code::kUnsupported)
      throw Error(
          Code::kUnsupported,
          "the file system of knaller's home has no idmapped mounts, which root's engines need because they "
          "do not run as root",
          "put it on ext4, XFS, btrfs or, from Linux 6.3 on, tmpfs (KNALLER_HOME=DIR), or start VMs as an "
          "ordinary user");
    throw;
  }
  return mount;
}

UniqueFd mount_devices(const std::vector<std::string>& devices) {
  UniqueFd folder = make_file_system("tmpfs", {{"mode", "0755"}}, 0);
  make_device(folder.get(), "null");
  make_device(folder.get(), "urandom");
  for (const std::string& device : devices) make_device(folder.get(), device);
  set_attributes(folder.get(), {MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false},
                 "make the engine's devices read-only");
  return folder;
}

}  // namespace knaller::monitor
