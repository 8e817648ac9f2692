// Requests of Firecracker's API, typed. Pure: builders check what would be refused anyway and make method,
// path and JSON body.
//
// What a version does not know and the caller can do without is left out; what matters is kUnsupported. Ids,
// MAC addresses and paths that JSON cannot carry are kInvalidArgument.
#ifndef KNALLER_FIRECRACKER_REQUEST_H_
#define KNALLER_FIRECRACKER_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firecracker/version.h"

namespace knaller::firecracker {

struct Request {
  std::string method;
  std::string path;
  std::string body;  // empty: none

  std::string name() const { return method + " " + path; }
  bool operator==(const Request&) const = default;
};

struct TokenBucket {
  uint64_t size = 0;
  std::optional<uint64_t> one_time_burst = std::nullopt;
  uint64_t refill_time_ms = 0;
  bool operator==(const TokenBucket&) const = default;
};
// In a patch, a bucket that is absent stays, and one of size 0 is taken away.
struct RateLimiter {
  std::optional<TokenBucket> bandwidth = std::nullopt;  // bytes
  std::optional<TokenBucket> ops = std::nullopt;
  bool operator==(const RateLimiter&) const = default;
};

struct BootSource {
  std::string kernel_image_path;
  std::optional<std::string> initrd_path = std::nullopt;
  std::string boot_args;
};
Request put_boot_source(const BootSource& source);

struct MachineConfig {
  uint32_t vcpus = 1;  // 1 to 32
  uint64_t memory_mib = 128;
  bool track_dirty_pages = false;
};
Request put_machine_config(const MachineConfig& config);

struct Drive {
  std::string id;
  std::string path;
  bool root = false;
  bool read_only = false;
  std::optional<RateLimiter> rate_limiter = std::nullopt;
};
Request put_drive(const Drive& drive);

// Of a running or paused VM: another file, another limit, or both.
struct DrivePatch {
  std::string id;
  std::optional<std::string> path = std::nullopt;
  std::optional<RateLimiter> rate_limiter = std::nullopt;
};
Request patch_drive(const DrivePatch& patch);

struct NetworkInterface {
  std::string id;
  std::string host_device;
  std::string guest_mac;  // "06:00:0a:ff:fe:02"; empty: none, the guest makes one up
  std::optional<RateLimiter> rx_rate_limiter = std::nullopt;
  std::optional<RateLimiter> tx_rate_limiter = std::nullopt;
};
Request put_network_interface(const NetworkInterface& interface);

// Of a running or paused VM.
struct NetworkPatch {
  std::string id;
  std::optional<RateLimiter> rx_rate_limiter = std::nullopt;
  std::optional<RateLimiter> tx_rate_limiter = std::nullopt;
};
Request patch_network_interface(const NetworkPatch& patch);

Request start_instance();
Request send_ctrl_alt_del();

enum class VmState { kPaused, kResumed };
Request set_state(VmState state);

enum class SnapshotType { kFull, kDiff };
struct SnapshotCreate {
  std::string state_path;
  std::string memory_path;
  SnapshotType type = SnapshotType::kFull;
  // False: the caller syncs both files itself, and need not let the guest wait for that. Left out where the
  // version does not know it.
  bool sync = true;
};
// kDiff needs 1.13, or a VM that was started with track_dirty_pages, which only the caller knows.
Request create_snapshot(const SnapshotCreate& create, const Version& version);

struct NetworkOverride {
  std::string id;
  std::string host_device;
};
struct SnapshotLoad {
  std::string state_path;
  std::string memory_path;
  bool resume = false;
  std::vector<NetworkOverride> network_overrides;  // 1.12, otherwise kUnsupported
  bool track_dirty_pages = false;
  bool clock_realtime = false;  // moves the guest's clock on; left out where the version does not know it
};
Request load_snapshot(const SnapshotLoad& load, const Version& version);

Request describe_instance();
Request get_vm_config();

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_REQUEST_H_
