#include "image/guest/boot.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "image/guest/boot_config.h"
#include "image/guest/network.h"
#include "image/guest/system.h"

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
  // The kernel panics when its first process ends, which prints enough of a report that the line above must
  // be out first.
  fsync(STDERR_FILENO);
  std::exit(1);
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
      std::fprintf(stderr, "knaller: cannot grow the file system on %s: %s\n", device, std::strerror(errno));
    }
  }
  if (disk >= 0) close(disk);
  if (root >= 0) close(root);
}

// The private disk over the shared base; the disk's own file system also stands at /var/lib/knaller, for
// programs that can't live on an overlay (Docker).
void mount_overlay_root() {
  wait_for_device("/dev/vda");
  wait_for_device("/dev/vdb");
  must_mount("/dev/vda", "/base", "ext4", MS_RDONLY);
  must_mount("/dev/vdb", "/disk", "ext4", MS_NOATIME, kExt4Options);
  grow("/dev/vdb", "/disk");
  must_make_directory("/disk/upper");
  must_make_directory("/disk/work");
  must_mount("overlay", kNewRoot, "overlay", MS_NOATIME,
             "lowerdir=/base,upperdir=/disk/upper,workdir=/disk/work");
  must_make_directory(std::string(kNewRoot) + "/var");
  must_make_directory(std::string(kNewRoot) + "/var/lib");
  must_move("/disk", std::string(kNewRoot) + "/var/lib/knaller");
  // The overlay keeps its own hold on the base.
  if (umount2("/base", MNT_DETACH) != 0) die("detach /base");
}

void mount_plain_root(bool read_only) {
  wait_for_device("/dev/vda");
  must_mount("/dev/vda", kNewRoot, "ext4",
             MS_NOATIME | (read_only ? static_cast<unsigned long>(MS_RDONLY) : 0UL), kExt4Options);
  if (!read_only) grow("/dev/vda", kNewRoot);
}

void install_key(const std::string& key) {
  const std::string directory = std::string(kNewRoot) + "/root/.ssh";
  const std::string path = directory + "/authorized_keys";
  must_make_directory(std::string(kNewRoot) + "/root", 0700);
  must_make_directory(directory, 0700);
  std::string keys;
  if (read_file(path, &keys) && keys.find(key) != std::string::npos) return;
  if (!keys.empty() && keys.back() != '\n') keys.push_back('\n');
  keys += "ssh-ed25519 " + key + " knaller\n";
  if (!write_file(path, keys, 0600)) die("install the SSH key");
}

void configure(const BootConfig& config) {
  std::string failed;
  if (!set_up_network(config.network, &failed)) die(failed);
  if (config.read_only && !config.overlay) return;
  const std::string root = kNewRoot;
  if (!config.hostname.empty() && !set_hostname(root, config.hostname)) die("set the host name");
  must_make_directory(root + "/etc");
  if (config.network.present &&
      !write_file(root + "/etc/resolv.conf", "nameserver " + config.network.dns + "\n", 0644)) {
    die("write /etc/resolv.conf");
  }
  if (!config.key.empty()) install_key(config.key);
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
