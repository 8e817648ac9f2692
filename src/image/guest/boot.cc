#include "image/guest/boot.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "agent/keeper.h"
#include "image/guest/boot_config.h"
#include "image/guest/files.h"
#include "image/guest/network.h"
#include "image/guest/reserve.h"
#include "image/guest/settings.h"

#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, __u64)  // not in the kernel's exported headers before 6.7
#endif

namespace knaller::guest_helper {
namespace {

constexpr char kNewRoot[] = "/newroot";
// Without it the kernel fills the tables that mke2fs left as holes, and every snapshot would have to carry
// them.
constexpr char kExt4Options[] = "noinit_itable";
constexpr int kDeviceWaitMilliseconds = 5000;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "\nknaller: cannot %s: %s\n", what.c_str(), std::strerror(errno));
  // The kernel panics when its first process ends, and what is still in the console's buffer then is lost.
  tcdrain(STDERR_FILENO);
  std::exit(1);
}

// What a guest can do without is no reason not to boot: its disk may be full, or its owner may not want a
// file changed.
void go_on_without(const std::string& what) {
  std::fprintf(stderr, "\nknaller: could not %s: %s; the boot goes on\n", what.c_str(), std::strerror(errno));
}

void must_make_directory(const std::string& path, unsigned mode = 0755) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) die("make the directory " + path);
}

void must_mount(const char* source, const std::string& target, const char* type, unsigned long flags,
                const char* data = "") {
  must_make_directory(target);
  if (mount(source, target.c_str(), type, flags, data) != 0) {
    die(std::string("mount ") + source + " (" + type + ") on " + target);
  }
}

void must_move(const std::string& from, const std::string& to) {
  must_make_directory(to);
  if (mount(from.c_str(), to.c_str(), nullptr, MS_MOVE, nullptr) != 0)
    die("move the mount " + from + " to " + to);
}

void mount_kernel_file_systems() {
  must_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  must_mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  must_mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
  must_mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
  must_mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV);
}

void load_module(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) die("open the module " + path);
  if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST) die("load the module " + path);
  close(fd);
  unlink(path.c_str());  // the initramfs is memory that the guest would never get back
}

// "/modules" lists files in the order of their dependencies; those behind a line "pci" are only for machines
// with a PCI bus.
void load_modules() {
  std::string list;
  if (!read_file("/modules", &list)) die("read the list of modules");
  const bool has_pci = access("/sys/bus/pci/devices/0000:00:00.0", F_OK) == 0;
  size_t at = 0;
  while (at < list.size()) {
    const size_t end = list.find('\n', at);
    const std::string line = list.substr(at, end == std::string::npos ? end : end - at);
    at = end == std::string::npos ? list.size() : end + 1;
    if (line == "pci") {
      if (!has_pci) return;
    } else if (!line.empty()) {
      load_module("/lib/" + line);
    }
  }
}

// Drivers find their devices before finit_module returns, except for those behind another driver's own
// delays.
void wait_for_device(const char* path) {
  for (int waited = 0; access(path, F_OK) != 0; ++waited) {
    if (waited >= kDeviceWaitMilliseconds) die(std::string("find the disk ") + path);
    poll(nullptr, 0, 1);
  }
}

// To the size of its device, online. A file system that can't be grown is still a good one.
void grow(const char* device, const char* mounted_at) {
  const int disk = open(device, O_RDONLY | O_CLOEXEC);
  const int root = open(mounted_at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  unsigned long long bytes = 0;
  struct statfs now {};
  if (disk >= 0 && root >= 0 && ioctl(disk, BLKGETSIZE64, &bytes) == 0 && fstatfs(root, &now) == 0) {
    const auto block = static_cast<unsigned long long>(now.f_bsize);
    __u64 blocks = bytes / block;
    // f_blocks leaves out the file system's own tables (a few percent), so a smaller difference is none.
    const unsigned long long had = static_cast<unsigned long long>(now.f_blocks);
    if (blocks > had + had / 8 && ioctl(root, EXT4_IOC_RESIZE_FS, &blocks) != 0) {
      go_on_without(std::string("grow the file system on ") + device);
    }
  }
  if (disk >= 0) close(disk);
  if (root >= 0) close(root);
}

bool mount_overlay() {
  return mount("overlay", kNewRoot, "overlay", MS_NOATIME,
               "lowerdir=/base,upperdir=/disk/upper,workdir=/disk/work") == 0;
}

// Without a place to write, so that the guest's owner can still enter it and make room.
void mount_read_only_overlay() {
  go_on_without("mount the root file system for writing (make room below /var/lib/knaller/upper)");
  must_mount("overlay", kNewRoot, "overlay", MS_RDONLY, "lowerdir=/disk/upper:/base");
}

// The disk's own file system also stands at /var/lib/knaller, for programs that can't live on an overlay
// (Docker).
void show_disk() {
  const std::string place = std::string(kNewRoot) + "/var/lib/knaller";
  mkdir((std::string(kNewRoot) + "/var").c_str(), 0755);
  mkdir((std::string(kNewRoot) + "/var/lib").c_str(), 0755);
  mkdir(place.c_str(), 0755);
  if (mount("/disk", place.c_str(), nullptr, MS_MOVE, nullptr) != 0)
    go_on_without("show the private disk at /var/lib/knaller");
}

// The private disk over the shared base.
void mount_overlay_root() {
  wait_for_device("/dev/vda");
  wait_for_device("/dev/vdb");
  must_mount("/dev/vda", "/base", "ext4", MS_RDONLY);
  must_mount("/dev/vdb", "/disk", "ext4", MS_NOATIME, kExt4Options);
  grow("/dev/vdb", "/disk");
  must_make_directory("/disk/upper");
  mkdir("/disk/work", 0755);
  must_make_directory(kNewRoot);
  bool mounted = mount_overlay();
  if (!mounted && errno == ENOSPC) {
    give_up_reserve("/disk");
    mounted = mount_overlay();
  }
  if (!mounted) mount_read_only_overlay();
  keep_reserve("/disk");
  show_disk();
  // The overlay keeps its own hold on the base.
  if (umount2("/base", MNT_DETACH) != 0) die("detach /base");
}

void mount_plain_root(bool read_only) {
  wait_for_device("/dev/vda");
  must_mount("/dev/vda", kNewRoot, "ext4",
             MS_NOATIME | (read_only ? static_cast<unsigned long>(MS_RDONLY) : 0UL), kExt4Options);
  if (!read_only) grow("/dev/vda", kNewRoot);
}

void configure(const BootConfig& config) {
  std::string failed;
  if (!set_up_network(config.network, &failed)) die(failed);
  if (!config.hostname.empty() && sethostname(config.hostname.data(), config.hostname.size()) != 0)
    go_on_without("set the host name");
  if (config.read_only && !config.overlay) return;
  if (!config.hostname.empty() && !write_hostname(kNewRoot, config.hostname, &failed)) go_on_without(failed);
  if (config.network.present && !write_name_server(kNewRoot, config.network.dns, &failed))
    go_on_without(failed);
  if (!config.key.empty() && !install_key(kNewRoot, config.key, &failed)) go_on_without(failed);
}

[[noreturn]] void switch_root(const std::string& init) {
  const std::string root = kNewRoot;
  for (const char* mounted : {"/proc", "/sys", "/dev"}) must_move(mounted, root + mounted);
  must_mount("tmpfs", root + "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
  unlink("/init");
  unlink("/modules");
  if (chdir(kNewRoot) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || chroot(".") != 0 ||
      chdir("/") != 0) {
    die("enter the root file system");
  }
  const char* const argv[] = {init.c_str(), nullptr};
  const char* const environment[] = {
      "HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  execve(init.c_str(), const_cast<char* const*>(argv), const_cast<char* const*>(environment));
  die("run " + init);
}

}  // namespace

void boot() {
  mount_kernel_file_systems();
  std::string command_line;
  if (!read_file("/proc/cmdline", &command_line)) die("read the kernel command line");
  BootConfig config;
  std::string error;
  if (!parse_boot_config(command_line, &config, &error)) {
    errno = EINVAL;
    die("boot: " + error);
  }
  load_modules();
  agent::leave_agent(agent::When::kAtBoot);
  must_make_directory(kNewRoot);
  if (config.overlay) {
    mount_overlay_root();
  } else {
    mount_plain_root(config.read_only);
  }
  configure(config);
  switch_root(config.init);
}

}  // namespace knaller::guest_helper
