// Every command, with the whole library. Started by `knaller`, see knaller_main.cc.
#include <string>
#include <vector>

#include "cli/dispatch.h"

int main(int argc, char** argv) {
  return knaller::cli::run_all(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
