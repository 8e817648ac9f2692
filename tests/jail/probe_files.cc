// Files: outside of /vm, the immutable ones in it, and the ways out of it.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "probe.h"

namespace probe {
namespace {

constexpr char kImmutable[] = "/vm/vmlinux";
constexpr char kOwn[] = "/vm/rootfs.ext4";
constexpr long kFchmodat2 = 452;

// --- Outside

Outcome create_in(const Attempt& attempt) {
  char path[256];
  std::snprintf(path, sizeof path, "%s/knaller-probe", attempt.text);
  const long fd = open_path(path, O_WRONLY | O_CREAT);
  const Outcome outcome = judge_open(fd, {ENOENT});
  if (fd >= 0) unlink(path);
  return outcome;
}

Outcome make_folder_in(const Attempt& attempt) {
  char path[256];
  std::snprintf(path, sizeof path, "%s/knaller-probe", attempt.text);
  return judge(syscall(SYS_mkdir, path, 0700), {ENOENT});
}

Outcome make_link_in(const Attempt& attempt) {
  char path[256];
  std::snprintf(path, sizeof path, "%s/knaller-probe", attempt.text);
  return judge(syscall(SYS_symlink, "/vm", path), {ENOENT});
}

Outcome open_writable(const Attempt& attempt) {
  return judge_open(open_path(attempt.text, O_WRONLY), {ENOENT});
}

Outcome open_readable(const Attempt& attempt) {
  return judge_open(open_path(attempt.text, O_RDONLY), {ENOENT});
}

enum Text : long { kMap, kAllow, kAnother, kBadness, kNice };
constexpr const char* kTexts[] = {"0 0 1", "allow", "12345", "-1000", "-5"};

// EINVAL: an id that is not of this user namespace.
Outcome write_text(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path(attempt.text, O_WRONLY));
  if (fd < 0) return judge(fd, {ENOENT});
  const char* text = kTexts[attempt.number];
  const Outcome outcome = judge(write(fd, text, std::strlen(text)), {EINVAL});
  close(fd);
  return outcome;
}

// With O_TRUNC the mount is asked before it shows that the file is executed just now.
Outcome write_over_self(const Attempt& attempt) {
  return judge_open(open_path(attempt.text, O_RDWR | O_TRUNC));
}

Outcome remove_self(const Attempt&) {
  return judge(syscall(SYS_unlink, options.self), {EBUSY});
}

Outcome truncate_self(const Attempt&) {
  return judge(syscall(SYS_truncate, options.self, 0));
}

// Outside of the jail such a file would run as whom it belongs to: root, for root's engines.
Outcome make_privileged_file(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path("/vm/privileged", O_RDWR | O_CREAT));
  if (fd < 0 || write(fd, "#!/bin/sh\n", 10) != 10) return unprepared();
  const Outcome outcome = judge(syscall(SYS_fchmod, fd, attempt.number));
  close(fd);
  return outcome;
}

Outcome make_huge_file(const Attempt&) {
  signal(SIGXFSZ, SIG_IGN);
  const int fd = static_cast<int>(open_path("/vm/huge", O_RDWR | O_CREAT));
  if (fd < 0) return unprepared();
  const Outcome outcome = judge(ftruncate(fd, 1L << 40), {EFBIG});
  close(fd);
  unlink("/vm/huge");
  return outcome;
}

// --- What can't be changed in /vm

Outcome open_immutable(const Attempt& attempt) {
  return judge_open(open_path(kImmutable, static_cast<int>(attempt.number)));
}

Outcome reopen_immutable(const Attempt&) {
  const int fd = static_cast<int>(open_path(kImmutable, O_RDONLY));
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const Outcome outcome = judge_open(open_path(path, O_RDWR));
  close(fd);
  return outcome;
}

Outcome map_immutable(const Attempt&) {
  const int fd = static_cast<int>(open_path(kImmutable, O_RDONLY));
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const Outcome outcome = judge(at == MAP_FAILED ? -1 : 0);
  close(fd);
  return outcome;
}

Outcome by_descriptor(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path(kImmutable, O_RDONLY));
  const long result = syscall(attempt.number, fd, 0, 0, 4096);
  const Outcome outcome = judge(result, {EBADF, EINVAL});
  close(fd);
  return outcome;
}

Outcome lock_immutable(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path(kImmutable, O_RDONLY));
  struct flock lock = {};
  lock.l_type = F_RDLCK;
  long result = -1;
  if (attempt.number == F_SETLEASE) result = syscall(SYS_fcntl, fd, F_SETLEASE, F_RDLCK);
  if (attempt.number == F_NOTIFY) result = syscall(SYS_fcntl, fd, F_NOTIFY, 1);
  if (attempt.number == F_OFD_SETLK) result = syscall(SYS_fcntl, fd, F_OFD_SETLK, &lock);
  if (attempt.number == 0) result = syscall(SYS_flock, fd, LOCK_SH | LOCK_NB);
  const Outcome outcome = judge(result);
  close(fd);
  return outcome;
}

Outcome rename_over(const Attempt& attempt) {
  return judge(syscall(SYS_renameat2, AT_FDCWD, kOwn, AT_FDCWD, kImmutable, attempt.number), {EBUSY});
}

Outcome set_attribute(const Attempt& attempt) {
  return judge(syscall(SYS_setxattr, attempt.text, "user.knaller", "x", 1, 0));
}

Outcome set_times(const Attempt& attempt) {
  return judge(syscall(SYS_utimensat, AT_FDCWD, attempt.text, nullptr, 0));
}

// --- Ways out

bool is_root(int fd) {
  struct stat here, root;
  return fstat(fd, &here) == 0 && stat("/", &root) == 0 && here.st_dev == root.st_dev &&
         here.st_ino == root.st_ino;
}

Outcome walk_up_from(const Attempt& attempt) {
  int fd = static_cast<int>(open_path(attempt.text, O_PATH | O_DIRECTORY));
  if (fd < 0) return judge(fd, {ENOENT});
  for (int step = 0; step < 64; ++step) {
    const int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (up < 0) break;
    close(fd);
    fd = up;
  }
  const Outcome outcome =
      is_root(fd) ? refused("it ends at the jail's root") : succeeded("it left the jail's root");
  close(fd);
  return outcome;
}

Outcome enter_by_descriptor(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path(attempt.text, O_PATH | O_DIRECTORY));
  const Outcome outcome = judge(syscall(SYS_fchdir, fd));
  close(fd);
  return outcome;
}

Outcome follow_own_link(const Attempt& attempt) {
  if (symlink(attempt.text, "/vm/way-out") != 0) return unprepared();
  const Outcome outcome = judge_open(open_path("/vm/way-out", O_RDONLY), {ENOENT});
  unlink("/vm/way-out");
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"create-in-root", create_in, 0, ""},
    {"create-in-usr", create_in, 0, "/usr"},
    {"create-in-usr-bin", create_in, 0, "/usr/bin"},
    {"create-in-lib", create_in, 0, "/lib"},
    {"create-in-dev", create_in, 0, "/dev"},
    {"create-in-dev-net", create_in, 0, "/dev/net"},
    {"create-in-engine", create_in, 0, "/engine"},
    {"create-in-etc", create_in, 0, "/etc"},
    {"create-in-proc", create_in, 0, "/proc"},
    {"create-in-tmp", create_in, 0, "/tmp"},
    {"create-in-run", create_in, 0, "/run"},
    {"create-in-home", create_in, 0, "/home"},
    {"make-folder-in-root", make_folder_in, 0, ""},
    {"make-folder-in-engine", make_folder_in, 0, "/engine"},
    {"make-link-in-root", make_link_in, 0, ""},
    {"make-link-in-usr", make_link_in, 0, "/usr"},
    {"write-program", open_writable, 0, "/usr/bin/env"},
    {"write-library", open_writable, 0, "/lib/x86_64-linux-gnu/libc.so.6"},
    {"write-library-cache", open_writable, 0, "/etc/ld.so.cache"},
    {"write-self", write_over_self, 0, "/proc/self/exe"},
    {"write-self-by-process", write_over_self, 0, "/proc/1/exe"},
    {"remove-self", remove_self},
    {"truncate-self", truncate_self},
    {"core-pattern", open_writable, 0, "/proc/sys/kernel/core_pattern"},
    {"module-program", open_writable, 0, "/proc/sys/kernel/modprobe"},
    {"host-name-by-file", open_writable, 0, "/proc/sys/kernel/hostname"},
    {"overcommit", open_writable, 0, "/proc/sys/vm/overcommit_memory"},
    {"system-request", open_writable, 0, "/proc/sysrq-trigger"},
    {"kernel-memory", open_readable, 0, "/proc/kcore"},
    {"kernel-log-by-file", open_readable, 0, "/proc/kmsg"},
    {"kernel-symbols", open_readable, 0, "/proc/kallsyms"},
    {"keys-by-file", open_readable, 0, "/proc/keys"},
    {"memory-of-host", open_readable, 0, "/proc/meminfo"},
    {"see-programs", open_readable, 0, "/bin/sh"},
    {"see-boot", open_readable, 0, "/boot"},
    {"see-var", open_readable, 0, "/var"},
    {"see-temporary-files", open_readable, 0, "/tmp"},
    {"see-sockets-of-host", open_readable, 0, "/run"},
    {"accounts", open_readable, 0, "/etc/passwd"},
    {"passwords", open_readable, 0, "/etc/shadow"},
    {"homes", open_readable, 0, "/root"},
    {"sysfs", open_readable, 0, "/sys"},
    {"cgroups", open_readable, 0, "/sys/fs/cgroup"},
    {"map-users", write_text, kMap, "/proc/self/uid_map"},
    {"map-groups", write_text, kMap, "/proc/self/gid_map"},
    {"allow-setgroups", write_text, kAllow, "/proc/self/setgroups"},
    {"set-login-id", write_text, kAnother, "/proc/self/loginuid"},
    {"never-killed-for-memory", write_text, kBadness, "/proc/self/oom_score_adj"},
    {"scheduling-group", write_text, kNice, "/proc/self/autogroup"},
    {"set-user-id-file", make_privileged_file, 04755},
    {"set-group-id-file", make_privileged_file, 02755},
    {"set-both-ids-file", make_privileged_file, 06777},
    {"huge-file", make_huge_file},
    {"immutable-write", open_immutable, O_WRONLY},
    {"immutable-append", open_immutable, O_WRONLY | O_APPEND},
    {"immutable-truncate-open", open_immutable, O_RDWR | O_TRUNC},
    {"immutable-truncate", [](auto&) { return judge(syscall(SYS_truncate, kImmutable, 0)); }},
    {"immutable-reopen", reopen_immutable},
    {"immutable-map-shared", map_immutable},
    {"immutable-fchmod", by_descriptor, SYS_fchmod},
    {"immutable-fchown", by_descriptor, SYS_fchown},
    {"immutable-ftruncate", by_descriptor, SYS_ftruncate},
    {"immutable-fallocate", by_descriptor, SYS_fallocate},
    {"immutable-chmod", [](auto&) { return judge(syscall(SYS_chmod, kImmutable, 0777)); }},
    {"immutable-fchmodat", [](auto&) { return judge(syscall(SYS_fchmodat, AT_FDCWD, kImmutable, 0777)); }},
    {"immutable-fchmodat2", [](auto&) { return judge(syscall(kFchmodat2, AT_FDCWD, kImmutable, 0777, 0)); }},
    {"immutable-chown", [](auto&) { return judge(syscall(SYS_chown, kImmutable, 0, 0)); }},
    {"immutable-lchown", [](auto&) { return judge(syscall(SYS_lchown, kImmutable, 0, 0)); }},
    {"immutable-times", set_times, 0, kImmutable},
    {"immutable-attribute", set_attribute, 0, kImmutable},
    {"immutable-rename-over", rename_over, 0},
    {"immutable-exchange", rename_over, RENAME_EXCHANGE},
    {"immutable-rename", [](auto&) { return judge(syscall(SYS_rename, kImmutable, "/vm/other")); }},
    {"immutable-remove", [](auto&) { return judge(syscall(SYS_unlink, kImmutable), {EBUSY}); }},
    {"immutable-link", [](auto&) { return judge(syscall(SYS_link, kImmutable, "/vm/other")); }},
    {"immutable-linkat",
     [](auto&) { return judge(syscall(SYS_linkat, AT_FDCWD, kImmutable, AT_FDCWD, "/vm/other", 0)); }},
    {"immutable-lock", lock_immutable, F_OFD_SETLK},
    {"immutable-flock", lock_immutable, 0},
    {"immutable-lease", lock_immutable, F_SETLEASE},
    {"immutable-notify", lock_immutable, F_NOTIFY},
    {"link-self-into-vm", [](auto&) { return judge(syscall(SYS_link, options.self, "/vm/engine")); }},
    {"remove-vm", [](auto&) { return judge(syscall(SYS_unlinkat, AT_FDCWD, "/vm", AT_REMOVEDIR), {EBUSY}); }},
    {"rename-vm", [](auto&) { return judge(syscall(SYS_rename, "/vm", "/vm2")); }},
    {"walk-up-from-vm", walk_up_from, 0, "/vm"},
    {"walk-up-from-root", walk_up_from, 0, "/"},
    {"walk-up-from-process-root", walk_up_from, 0, "/proc/1/root"},
    {"walk-up-from-process-folder", walk_up_from, 0, "/proc/self/cwd"},
    {"walk-up-from-usr", walk_up_from, 0, "/usr"},
    {"walk-up-from-engine", walk_up_from, 0, "/engine"},
    {"walk-up-from-thread", walk_up_from, 0, "/proc/thread-self/root"},
    {"enter-root-by-descriptor", enter_by_descriptor, 0, "/"},
    {"enter-process-root", enter_by_descriptor, 0, "/proc/1/root"},
    {"follow-own-link-to-accounts", follow_own_link, 0, "/etc/passwd"},
    {"follow-own-link-up", follow_own_link, 0, "../../../../../../etc/hostname"},
};

}  // namespace

Attempts files() {
  return kAttempts;
}

}  // namespace probe
