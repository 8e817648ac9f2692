// The program that users start. It loads in a millisecond, because it links next to nothing: the commands
// that need no more are done here, every other one by knaller-cli, with all the libraries behind it, into
// which this process turns itself.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/dispatch.h"
#include "cli/exit_code.h"
#include "cli/output.h"

namespace {

// Beside this program (a build) or in libexec (an installation).
std::vector<std::string> candidates() {
  char buffer[4096];
  const ssize_t length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  if (length <= 0 || length == sizeof buffer) return {};
  std::string folder(buffer, static_cast<size_t>(length));
  folder.erase(folder.rfind('/'));
  return {folder + "/knaller-cli", folder + "/../libexec/knaller/knaller-cli"};
}

// Else the first lock, socket or record that is opened gets the number of a closed standard stream, and is
// written to.
void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_streams();
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (const auto exit_code = knaller::cli::run_plain(arguments)) return *exit_code;
  std::string tried;
  int failure = ENOENT;
  for (const std::string& program : candidates()) {
    ::execv(program.c_str(), argv);
    // One that is there and can't be run says more than one that is not there.
    if (failure == ENOENT) failure = errno;
    tried += (tried.empty() ? "'" : ", '") + program + "'";
  }
  knaller::cli::Output output(false, false);
  output.error(knaller::errno_error(failure, "run knaller-cli, looked for as " + tried)
                   .with_hint("install knaller again: this file belongs to it"));
  return knaller::cli::exit_code_of(knaller::Code::kInternal);
}
