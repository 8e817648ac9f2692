#include "disk/e2fsprogs.h"

#include <ext2fs/ext2fs.h>

#include <cstddef>

#include "base/file.h"
#include "base/text.h"
#include "disk/ext4.h"

namespace knaller::disk {
namespace {

// Of e2fsck's exit code, which is a sum (e2fsck(8)).
constexpr int kMended = 1;
constexpr int kShouldReboot = 2;  // of a mounted root, of which it was told nothing here
constexpr int kDamageLeft = 4;
constexpr int kAllOfThem = 63;  // beyond, it is the loader that speaks

bool tells_of_damage(const ExitStatus& status) {
  return !status.signaled && status.value <= kAllOfThem && (status.value & kDamageLeft) != 0;
}

// It has no exit code of its own for that. The words are its own, and the C library's.
bool had_no_memory(const std::string& words) {
  return words.find("Memory allocation failed") != std::string::npos ||
         words.find("Cannot allocate memory") != std::string::npos;
}

// One without checksums is taken for whole.
bool has_whole_super_block(int disk) {
  ext2_super_block super{};
  read_at(disk, reinterpret_cast<char*>(&super), sizeof super, SUPERBLOCK_OFFSET);
  if ((super.s_feature_ro_compat & EXT4_FEATURE_RO_COMPAT_METADATA_CSUM) == 0) return true;
  return super.s_checksum == ext2fs_crc32c_le(~0U, reinterpret_cast<const unsigned char*>(&super),
                                              offsetof(ext2_super_block, s_checksum));
}

}  // namespace

ProgramOutput run_e2fs_program(int disk, const std::string& program, std::vector<std::string> arguments,
                               const Deadline& deadline) {
  arguments.insert(arguments.begin(), require_program(program, "e2fsprogs"));
  arguments.emplace_back("/dev/fd/3");
  return run_program({.argv = std::move(arguments),
                      .environment = {{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}},
                      .descriptors = {{disk, 3}},
                      .confinement = Confinement{.file = disk, .file_bytes = file_size(disk)}},
                     deadline);
}

void resize_file_system(int disk, std::vector<std::string> arguments, const Deadline& deadline) {
  const ProgramOutput result = run_e2fs_program(disk, "resize2fs", std::move(arguments), deadline);
  if (!result.status.success())
    fail(Code::kIo, "{}: {}", result.status.sentence("resize2fs"), printable(trim(result.err)));
  // resize2fs 1.47 passes over a write that fails while it puts single fields into the super block.
  if (!has_whole_super_block(disk)) fail(Code::kIo, "resize2fs left a super block that is not whole");
}

bool has_mended(const ExitStatus& status) {
  return !status.signaled && (status.value & ~(kMended | kShouldReboot)) == 0;
}

Error unmended(const ProgramOutput& result) {
  const std::string words = result.out + "\n" + result.err;
  const std::string said = printable(trim(trim(result.out).empty() ? result.err : result.out));
  if (tells_of_damage(result.status))
    return Error(Code::kCorrupt, fmt::format("the file system of the disk is damaged: e2fsck: {}", said),
                 "start the VM and repair it from inside, or go back to a snapshot");
  if (had_no_memory(words))
    return Error(Code::kExhausted,
                 fmt::format("e2fsck did not have enough memory to check the disk: {}", said),
                 "let the host, or this command's control group, have more memory");
  return Error(Code::kIo,
               fmt::format("the file system of the disk could not be checked: {}{}{}",
                           result.status.sentence("e2fsck"), said.empty() ? "" : ": ", said),
               "the disk is as it was");
}

}  // namespace knaller::disk
