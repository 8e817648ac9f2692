#include "disk/root_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/rollback.h"
#include "disk/check.h"

namespace knaller::disk {
namespace {

std::string find_resize2fs() {
  for (const char* candidate : {"resize2fs", "/sbin/resize2fs", "/usr/sbin/resize2fs"})
    if (const std::string found = find_program(candidate); !found.empty()) return found;
  throw Error(Code::kNotFound, "there is no 'resize2fs', which makes a root file system larger",
              "sudo apt install e2fsprogs");
}

void grow(const std::string& path, int fd, uint64_t bytes, const Deadline& deadline) {
  if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) fail_errno("make '{}' larger", path);
  // -f: resize2fs otherwise wants an e2fsck of every file system that was ever mounted, clean or not.
  run_checked({.argv = {find_resize2fs(), "-f", path}}, deadline);
}

}  // namespace

void copy_root_disk(const std::string& from, const std::string& to, uint64_t mib, const Deadline& deadline) {
  const UniqueFd source = open_at(AT_FDCWD, from, O_RDONLY | O_NONBLOCK);
  check_ext4(source.get(), "the root file system '" + from + "'");
  const uint64_t size = file_size(source.get());
  const uint64_t wanted = mib << 20;
  if (mib != 0 && wanted < size)
    fail(Code::kInvalidArgument, "a disk of {} MiB is too small for '{}', which has {} MiB", mib, from,
         size >> 20);

  Rollback rollback;
  const UniqueFd target = open_at(AT_FDCWD, to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  rollback.add([&] { ::unlink(to.c_str()); });
  copy_sparse(source.get(), target.get(), size, deadline);
  if (wanted > size) grow(to, target.get(), wanted, deadline);
  rollback.commit();
}

}  // namespace knaller::disk
