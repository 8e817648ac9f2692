#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/rollback.h"
#include "disk/ext4.h"
#include "disk/private_disk.h"

namespace knaller::disk {
namespace {

// Said in full, so that the host's /etc/mke2fs.conf has no part in it: what Debian 12's kernel 6.1 mounts.
constexpr char kFeatures[] =
    "none,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize,sparse_super,large_file,"
    "filetype,"
    "dir_index,ext_attr";
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSmallBytes = 256 * kMiB;
constexpr uint64_t kLeastDiskMib = 32;
constexpr uint64_t kMostDiskMib = uint64_t{16}
                                  << 20;  // 16 TiB, what 4 KiB blocks and 32-bit block numbers reach

std::vector<std::string> mke2fs_command(const std::string& path, const Ext4Options& options) {
  std::string features = kFeatures;
  if (options.journal) features += ",has_journal";
  // The inode tables stay holes, and without resize_inode there are no 4 MiB of blocks reserved for growing
  // (ext4 grows online without them): a fresh disk, which every VM copies, occupies some 200 KiB.
  std::vector<std::string> argv = {require_program("mke2fs", "e2fsprogs"),
                                   "-q",
                                   "-F",
                                   "-t",
                                   "ext4",
                                   "-b",
                                   "4096",
                                   "-I",
                                   "256",
                                   "-m",
                                   "0",
                                   "-O",
                                   features,
                                   "-E",
                                   "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"};
  if (options.journal) argv.insert(argv.end(), {"-J", options.bytes < kSmallBytes ? "size=4" : "size=16"});
  if (options.inodes > 0) argv.insert(argv.end(), {"-N", std::to_string(options.inodes)});
  if (!options.label.empty()) argv.insert(argv.end(), {"-L", options.label});
  argv.push_back(path);
  return argv;
}

}  // namespace

std::string require_program(const std::string& name, const std::string& package) {
  for (const std::string& candidate : {name, "/usr/sbin/" + name, "/sbin/" + name}) {
    const std::string path = find_program(candidate);
    if (!path.empty()) return path;
  }
  throw Error(Code::kNotFound, fmt::format("the program '{}' is not installed", name),
              fmt::format("sudo apt-get install {}", package));
}

void make_ext4(const std::string& path, const Ext4Options& options, const Deadline& deadline) {
  Rollback rollback;
  {
    const UniqueFd fd = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    rollback.add([&] { ::unlink(path.c_str()); });
    if (::ftruncate(fd.get(), static_cast<off_t>(options.bytes)) != 0)
      fail_errno("make '{}' {} bytes long", path, options.bytes);
  }
  SpawnOptions spawn_options;
  // An absolute path, since a relative one that begins with a hyphen would be an option.
  spawn_options.argv = mke2fs_command(path.front() == '/' ? path : "./" + path, options);
  spawn_options.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "MKE2FS_CONFIG=/dev/null"};
  in_context([&] { return fmt::format("make the file system in '{}'", path); },
             [&] { run_checked(std::move(spawn_options), deadline); });
  rollback.commit();
}

void make_private_disk(const std::string& path, uint64_t mib, const Deadline& deadline) {
  if (mib < kLeastDiskMib || mib > kMostDiskMib) {
    fail(Code::kInvalidArgument, "a disk of {} MiB can't be made: it must have {} MiB to 16 TiB", mib,
         kLeastDiskMib);
  }
  make_ext4(path, {.bytes = mib * kMiB, .label = "knaller-disk"}, deadline);
}

}  // namespace knaller::disk
