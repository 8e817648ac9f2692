// The program that users start.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/core_files.h"
#include "cli/commands.h"

namespace {

// Else the first lock, socket or record that is opened gets the number of a closed standard stream, and is
// written to.
void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_streams();
  knaller::forbid_core_files();  // they would hold the guest's memory and its key
  return knaller::cli::run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
