// Every command, with the whole library. Started by `knaller`, see knaller_main.cc.
#include <sys/prctl.h>

#include <string>
#include <vector>

#include "cli/dispatch.h"

int main(int argc, char** argv) {
  // A core file would hold the guest's memory and its key. Not by RLIMIT_CORE: the monitor, ssh and the
  // user's own commands would inherit it, and a program that core_pattern(5) names is given a core all the
  // same.
  ::prctl(PR_SET_DUMPABLE, 0);
  return knaller::cli::run_all(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
