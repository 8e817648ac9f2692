// QEMU's command line for a VM. Pure.
//
// Everything that saved device state depends on (the order of devices, their ids) is decided here and in the
// setup's order, so that a restored VM is the same machine. Names of users' files go into JSON, never into
// QEMU's comma-separated options.
#ifndef KNALLER_QEMU_COMMAND_LINE_H_
#define KNALLER_QEMU_COMMAND_LINE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "firecracker/engine_api.h"

namespace knaller::qemu {

enum class Accelerator { kKvm, kTcg };
std::string_view to_string(Accelerator accelerator);

struct MachinePlan {
  std::string binary;
  Accelerator accelerator = Accelerator::kTcg;
  firecracker::VmSetup setup;
  std::vector<std::string> macs;  // one for each network interface
  bool incoming = false;          // a snapshot comes: no kernel, memory is private
  uint64_t tsc_khz = 0;           // of this host; only for a boot under emulation

  // Numbers of descriptors that QEMU inherits.
  int control_fd = -1;
  int memory_fd = -1;
  std::vector<int> network_fds;  // one for each interface: its TAP device, or its relay's socket
};
std::vector<std::string> qemu_arguments(const MachinePlan& plan);

// Firecracker's command line for the guest: what was asked for, and the root device; under emulation also the
// TSC's frequency, since a guest cannot calibrate it on microvm and hangs.
std::string kernel_arguments(const firecracker::VmSetup& setup, Accelerator accelerator, uint64_t tsc_khz);

// Ids by a device's place, for QMP too: "drive0" is the device and its format node, "file0-N" the N-th file
// behind it.
std::string drive_id(size_t index);
std::string file_node(size_t index, unsigned generation);
nlohmann::json file_node_options(const firecracker::DriveSetup& drive, const std::string& node);
nlohmann::json format_node_options(const firecracker::DriveSetup& drive, size_t index,
                                   const std::string& file_node);

// The arguments of QMP's block_set_io_throttle that do what a rate limiter does. Throws kUnsupported for
// one_time_burst.
nlohmann::json throttle_options(const std::optional<firecracker::RateLimiter>& limiter, size_t index);

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_COMMAND_LINE_H_
