// e2fsprogs on disks that others wrote. An image may be anybody's and a guest's disk hostile, and those
// programs were not made for that: they run confined, with the disk as their only file.
#ifndef KNALLER_DISK_E2FSPROGS_H_
#define KNALLER_DISK_E2FSPROGS_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/error.h"
#include "base/process.h"

namespace knaller::disk {

// Runs e2fsck, resize2fs or the like with these arguments and the open disk as the last one; does not judge
// how it ended. kNotFound, with the package to install, when there is none.
ProgramOutput run_e2fs_program(int disk, const std::string& program, std::vector<std::string> arguments,
                               const Deadline& deadline);
// resize2fs with these arguments, in what the open file has room for. kIo when it failed, also where it did
// not say so.
void resize_file_system(int disk, std::vector<std::string> arguments, const Deadline& deadline);
// Of e2fsck: it found nothing, or repaired everything.
bool has_mended(const ExitStatus& status);
// The error for an e2fsck that did not repair everything: kCorrupt when it says that there is damage left,
// kExhausted when it ran out of memory, kIo when it gave no answer, since a disk that it could not check may
// be intact.
Error unmended(const ProgramOutput& result);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_E2FSPROGS_H_
