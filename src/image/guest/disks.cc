#include "image/guest/disks.h"

#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace knaller::guest_helper {
namespace {

constexpr char kDiskFolder[] = "/var/lib/knaller";
constexpr char kAside[] = "/run/knaller-disk";

bool make_read_only(const char* path) {
  return mount(nullptr, path, nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

}  // namespace

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
