#include "disk/root_disk.h"

#include <fcntl.h>
#include <unistd.h>

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

constexpr off_t kIncompatibleFeaturesAt = 1024 + 96;
constexpr uint32_t kNeedsRecovery = 4;

bool needs_recovery(int fd) {
  uint32_t features = 0;
  return ::pread(fd, &features, sizeof features, kIncompatibleFeaturesAt) == sizeof features &&
         (features & kNeedsRecovery) != 0;
}

void replay_journal(int fd, const Deadline& deadline) {
  const ProgramOutput replayed = run_e2fs_program(fd, "e2fsck", {"-y", "-E", "journal_only"}, deadline);
  if (!has_mended(replayed.status))
    fail(Code::kIo, "{}: {}", replayed.status.sentence("e2fsck"), printable(trim(replayed.err)));
}

void grow(int fd, uint64_t bytes, const Deadline& deadline) {
  try {
    // resize2fs would pass over what the journal still holds, and leave a damaged file system.
    if (needs_recovery(fd)) replay_journal(fd, deadline);
    if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) fail_errno("make it {} bytes long", bytes);
    // -f: resize2fs otherwise wants an e2fsck of every file system that was ever mounted, clean or not.
    resize_file_system(fd, {"-f"}, deadline);
  } catch (Error& error) {
    if (error.code() == Code::kIo && error.hint().empty())
      error.with_hint("check the image: e2fsck -fn IMAGE");
    throw;
  }
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
  if (wanted > size)
    in_context([&] { return fmt::format("make the file system in '{}' larger", to); },
               [&] { grow(target.get(), wanted, deadline); });
  rollback.commit();
}

}  // namespace knaller::disk
