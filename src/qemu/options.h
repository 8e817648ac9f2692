// knaller-qemu's command line: Firecracker 1.16's, and --qemu-binary and --accel of its own. Pure.
#ifndef KNALLER_QEMU_OPTIONS_H_
#define KNALLER_QEMU_OPTIONS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "qemu/command_line.h"

namespace knaller::qemu {

struct ProgramOptions {
  std::optional<std::string> api_socket;  // "/run/firecracker.socket" unless no_api
  std::string id = "anonymous-instance";
  std::optional<std::string> config_file;
  std::optional<std::string> metadata;
  std::optional<std::string> log_path;
  std::optional<std::string> metrics_path;
  std::optional<std::string> level;
  std::optional<std::string> describe_snapshot;
  std::optional<std::string> qemu_binary;
  std::optional<Accelerator> accelerator;  // absent: auto
  bool no_api = false;
  bool enable_pci = false;
  bool show_level = false;
  bool help = false;
  bool version = false;
  bool snapshot_version = false;
};

// Throws kInvalidArgument with Firecracker's words. `arguments` is without the program's name.
ProgramOptions parse_options(const std::vector<std::string>& arguments);
std::string help_text();

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_OPTIONS_H_
