#include "disk/grow_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/rollback.h"
#include "base/text.h"
#include "disk/check.h"
#include "disk/e2fsprogs.h"
#include "disk/ext4.h"

namespace knaller::disk {
namespace {

// What resize2fs is sure to take.
constexpr uint64_t kMostMib = uint64_t{16} << 20;

// Also writes what the journal holds.
void mend(int fd, const Deadline& deadline) {
  const ProgramOutput result = run_e2fs_program(fd, "e2fsck", {"-f", "-p"}, deadline);
  if (!has_mended(result.status)) throw unmended(result);
}

}  // namespace

void grow_disk(const std::string& path, const std::string& aside, uint64_t mib, const Deadline& deadline) {
  const UniqueFd disk = open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  check_ext4(disk.get(), "the disk '" + path + "'");
  const uint64_t size = file_size(disk.get());
  if (mib > kMostMib) fail(Code::kInvalidArgument, "a disk has at most 16 TiB");
  if ((mib << 20) <= size)
    fail(Code::kInvalidArgument, "the disk has {} already, and can only be made larger", format_bytes(size));

  const std::filesystem::path place(path);
  const std::string grown = aside + "/" + temporary_name(place.filename());
  const UniqueFd from = open_directory(aside);
  const UniqueFd to = open_directory(place.parent_path());
  Rollback rollback;
  const UniqueFd copy = open_at(AT_FDCWD, grown, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  rollback.add([&] { ::unlink(grown.c_str()); });
  copy_sparse(disk.get(), copy.get(), size, deadline);
  mend(copy.get(), deadline);
  if (::ftruncate(copy.get(), static_cast<off_t>(mib << 20)) != 0) fail_errno("make '{}' larger", grown);
  resize_file_system(copy.get(), {}, deadline);
  fsync_fd(copy.get(), grown);
  if (::rename(grown.c_str(), path.c_str()) != 0) fail_errno("put '{}' in its place", grown);
  rollback.commit();
  fsync_fd(to.get(), "the folder of the disk");
  fsync_fd(from.get(), aside);
}

}  // namespace knaller::disk
