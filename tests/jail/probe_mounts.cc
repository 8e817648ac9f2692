// Mounts and roots.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "probe.h"

namespace probe {
namespace {

// Newer than the headers that this is built with.
constexpr long kStatmount = 457;
constexpr long kListmount = 458;
constexpr long kOpenTreeAttr = 467;

Outcome mount_type(const Attempt& attempt) {
  return judge(syscall(SYS_mount, "none", "/vm", attempt.text, 0, nullptr));
}

Outcome remount(const Attempt& attempt) {
  return judge(syscall(SYS_mount, nullptr, attempt.text, nullptr, MS_REMOUNT | MS_BIND, nullptr));
}

Outcome bind(const Attempt& attempt) {
  return judge(syscall(SYS_mount, "/", "/vm", nullptr, attempt.number, nullptr));
}

Outcome unmount(const Attempt& attempt) {
  return judge(syscall(SYS_umount2, attempt.text, attempt.number));
}

Outcome clear_read_only(const Attempt& attempt) {
  mount_attr attributes = {};
  attributes.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC;
  return judge(
      syscall(SYS_mount_setattr, AT_FDCWD, attempt.text, attempt.number, &attributes, sizeof attributes));
}

struct MountRequest {
  unsigned size = 24, spare = 0;
  unsigned long long id = ~0ull, parameter = 0;  // LSMT_ROOT
};

Outcome list_mounts(const Attempt&) {
  const MountRequest request;
  unsigned long long ids[16];
  return judge(syscall(kListmount, &request, ids, 16, 0));
}

Outcome look_at_mount(const Attempt&) {
  const MountRequest request;
  char buffer[512];
  return judge(syscall(kStatmount, &request, buffer, sizeof buffer, 0));
}

Outcome clone_tree(const Attempt& attempt) {
  return judge_open(syscall(SYS_open_tree, AT_FDCWD, attempt.text, attempt.number));
}

constexpr Attempt kAttempts[] = {
    {"mount-tmpfs", mount_type, 0, "tmpfs"},
    {"mount-proc", mount_type, 0, "proc"},
    {"mount-sysfs", mount_type, 0, "sysfs"},
    {"mount-cgroup", mount_type, 0, "cgroup2"},
    {"mount-devpts", mount_type, 0, "devpts"},
    {"mount-overlay", mount_type, 0, "overlay"},
    {"mount-fuse", mount_type, 0, "fuse"},
    {"mount-bind", bind, MS_BIND},
    {"mount-bind-all", bind, MS_BIND | MS_REC},
    {"mount-move", bind, MS_MOVE},
    {"mount-shared", bind, MS_SHARED},
    {"remount-root-writable", remount, 0, "/"},
    {"remount-vm-executable", remount, 0, "/vm"},
    {"remount-immutable-writable", remount, 0, "/vm/vmlinux"},
    {"unmount-vm", unmount, MNT_DETACH, "/vm"},
    {"unmount-proc", unmount, MNT_DETACH, "/proc"},
    {"unmount-immutable", unmount, MNT_DETACH, "/vm/vmlinux"},
    {"unmount-root", unmount, MNT_DETACH, "/"},
    {"unmount-expire", unmount, MNT_EXPIRE, "/vm"},
    {"pivot-root", [](auto&) { return judge(syscall(SYS_pivot_root, ".", ".")); }},
    {"chroot-vm", [](auto&) { return judge(syscall(SYS_chroot, "/vm")); }},
    {"chroot-here", [](auto&) { return judge(syscall(SYS_chroot, ".")); }},
    {"fsopen-tmpfs", [](auto&) { return judge_open(syscall(SYS_fsopen, "tmpfs", 0)); }},
    {"fsopen-ext4", [](auto&) { return judge_open(syscall(SYS_fsopen, "ext4", 0)); }},
    {"fspick", [](auto&) { return judge_open(syscall(SYS_fspick, AT_FDCWD, "/vm", 0)); }},
    {"fsmount", [](auto&) { return judge(syscall(SYS_fsmount, 0, 0, 0)); }},
    {"fsconfig", [](auto&) { return judge(syscall(SYS_fsconfig, 0, 0, nullptr, nullptr, 0)); }},
    {"open-tree-clone", clone_tree, OPEN_TREE_CLONE, "/vm"},
    {"open-tree-clone-all", clone_tree, OPEN_TREE_CLONE | AT_RECURSIVE, "/"},
    {"open-tree-attributes",
     [](auto&) { return judge_open(syscall(kOpenTreeAttr, AT_FDCWD, "/vm", OPEN_TREE_CLONE, nullptr, 0)); }},
    {"move-mount", [](auto&) { return judge(syscall(SYS_move_mount, AT_FDCWD, "/vm", AT_FDCWD, "/", 0)); }},
    {"mount-setattr-root", clear_read_only, AT_RECURSIVE, "/"},
    {"mount-setattr-vm", clear_read_only, 0, "/vm"},
    {"mount-setattr-immutable", clear_read_only, 0, "/vm/vmlinux"},
    {"listmount", list_mounts},
    {"statmount", look_at_mount},
};

}  // namespace

Attempts mounts() {
  return kAttempts;
}

}  // namespace probe
