// Every command, with the whole library. Started by `knaller`, see knaller_main.cc.
#include <sys/prctl.h>

#include <fstream>
#include <string>
#include <vector>

#include "cli/dispatch.h"

namespace {

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
  forbid_core_files();
  return knaller::cli::run_all(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
