#include "base/free_space.h"

#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"

namespace knaller {
namespace {

constexpr long kBcachefsMagic = 0xca451a4e;  // not in Debian 12's <linux/magic.h>

bool shares_blocks(long type) {
  return type == BTRFS_SUPER_MAGIC || type == XFS_SUPER_MAGIC || type == kBcachefsMagic;
}

}  // namespace

FreeSpace free_space(int fd) {
  struct statvfs space {};
  struct statfs system {};
  if (::fstatvfs(fd, &space) != 0 || ::fstatfs(fd, &system) != 0)
    fail_errno("ask for the free space of a file system");
  // A tmpfs without a limit, and some FUSE file systems, don't say.
  if (space.f_blocks == 0) return {.bytes = UINT64_MAX, .total = UINT64_MAX};
  const uint64_t blocks = ::geteuid() == 0 ? space.f_bfree : space.f_bavail;
  return {.bytes = blocks * space.f_frsize,
          .total = space.f_blocks * space.f_frsize,
          .may_share = shares_blocks(static_cast<long>(system.f_type))};
}

Room room_for(const FreeSpace& space, uint64_t bytes) {
  if (space.bytes >= bytes) return Room::kEnough;
  return space.may_share ? Room::kIfShared : Room::kTooLittle;
}

}  // namespace knaller
