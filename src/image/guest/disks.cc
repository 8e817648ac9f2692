#include "image/guest/disks.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>

namespace knaller::guest_helper {
namespace {

constexpr char kDiskFolder[] = "/var/lib/knaller";
constexpr char kAside[] = "/run/knaller-disk";

bool make_read_only(const char* path) {
  return mount(nullptr, path, nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

// With the folder, for its name. What was written and synced before costs nothing.
void settle(const char* path) {
  const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

void settle_host_key() {
  for (const char* path :
       {"/etc/dropbear/dropbear_ed25519_host_key", "/etc/dropbear", "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh", "/root/.ssh/authorized_keys", "/root/.ssh"})
    settle(path);
}

void close_disks() {
  sync();
  make_read_only("/");
  if (make_read_only(kDiskFolder)) return;
  // systemd has unmounted it, but the overlay still holds its file system, read-write.
  mkdir(kAside, 0700);
  if (mount("/dev/vdb", kAside, "ext4", 0, "") == 0) make_read_only(kAside);
}

void power_off() {
  std::puts("\nknaller: poweroff");
  std::fflush(stdout);
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}

}  // namespace knaller::guest_helper
