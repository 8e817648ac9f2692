// e2fsprogs on the disks of others. Whose image it is nobody knows, or a guest wrote it, and those programs
// were not made for hostile ones: they are run confined, with the disk as their only file.
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
// Of e2fsck: it found nothing, or has mended all of it.
bool has_mended(const ExitStatus& status);
// Of an e2fsck that has not mended all: kCorrupt when it says that there is damage left, kExhausted when it
// had no memory, kIo when it did not come to an answer. What it could not look at may be whole.
Error unmended(const ProgramOutput& result);

}  // namespace knaller::disk

#endif  // KNALLER_DISK_E2FSPROGS_H_
