// The program that users start.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace {

// Else the first lock, socket or record that is opened gets the number of a closed standard stream, and is
// written to.
void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) std::abort();
}

bool is_traced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("TracerPid:")) return line != "TracerPid:\t0";
  return false;
}

// A core file would hold the guest's memory and its key. Not by RLIMIT_CORE: the monitor, ssh and the user's
// own commands would inherit it, and a program that core_pattern(5) names is given a core all the same.
// Whoever started this under strace or a debugger sees everything, and is to: they could not read its memory
// any more.
void forbid_core_files() {
  if (!is_traced()) ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_streams();
  forbid_core_files();
  return knaller::cli::run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
