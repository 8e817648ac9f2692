#include "disk/e2fsprogs.h"

#include "base/file.h"
#include "disk/ext4.h"

namespace knaller::disk {

ProgramOutput run_e2fs_program(int disk, const std::string& program, std::vector<std::string> arguments,
                               const Deadline& deadline) {
  arguments.insert(arguments.begin(), require_program(program, "e2fsprogs"));
  arguments.emplace_back("/dev/fd/3");
  return run_program({.argv = std::move(arguments),
                      .descriptors = {{disk, 3}},
                      .confinement = Confinement{.file = disk, .file_bytes = file_size(disk)}},
                     deadline);
}

bool has_mended(const ExitStatus& status) {
  return !status.signaled && status.value <= 1;
}

}  // namespace knaller::disk
