// A program of somebody who has only what is installed: program HOME LIBEXEC.
#include <cstdio>

#include "home.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  knaller::Manager manager({.home = argv[1], .libexec = argv[2]});
  std::printf("version %s\n", std::string(knaller::version()).c_str());
  std::printf("things %zu\n", count_everything(manager));
  std::printf("absent %s\n", ask_for(manager, "absent").c_str());
  std::printf("port %d\n", knaller::parse_port("8080:80").guest);
  return 0;
}
