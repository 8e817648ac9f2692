// Firecracker's command line, for programs that stand in for it: knaller-qemu and the fake.
#ifndef KNALLER_FIRECRACKER_ENGINE_OPTIONS_H_
#define KNALLER_FIRECRACKER_ENGINE_OPTIONS_H_

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"

namespace knaller::firecracker {

// Exit codes that Firecracker has for these.
constexpr int kExitBadArguments = 153;
constexpr int kExitBadConfiguration = 152;

struct EngineOptions {
  std::string api_sock = "/run/firecracker.socket";
  std::string id = "anonymous-instance";
  std::string log_path;
  std::string level;
  std::string metrics_path;
  std::string config_file;
  std::string describe_snapshot;
  bool no_api = false;
  bool enable_pci = false;
  bool version = false;
  bool help = false;
  bool snapshot_version = false;
  std::map<std::string, std::string> own;  // the program's own options, without their dashes
};

// `own` names further options of the program that take a value. What only matters to Firecracker itself
// (--no-seccomp, --start-time-us …) is accepted and ignored. Throws kInvalidArgument: print it and exit with
// kExitBadArguments.
EngineOptions parse_engine_options(const std::vector<std::string>& arguments,
                                   const std::vector<std::string>& own = {});

// Binds and listens. Like Firecracker, never over something that is there already.
UniqueFd listen_api_socket(const std::string& path);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_ENGINE_OPTIONS_H_
