// Firecracker's API without Firecracker's hypervisor: routes, bodies, the state rules and the words of every
// refusal, for knaller-qemu and the fake. They supply a Hypervisor; everything that a client can see of the
// rest is the same for both.
//
// What it answers is held against recordings of the real one (tests/data/firecracker). Single-threaded, like
// the server. A Hypervisor refuses by throwing an Error: its message becomes the fault_message.
#ifndef KNALLER_FIRECRACKER_ENGINE_API_H_
#define KNALLER_FIRECRACKER_ENGINE_API_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "firecracker/request.h"
#include "firecracker/server.h"
#include "firecracker/version.h"

namespace knaller::firecracker {

struct DriveSetup {
  std::string id;
  std::optional<std::string> path = std::nullopt;
  bool root = false;
  bool read_only = false;
  std::string cache_type = "Unsafe";  // or "Writeback"
  std::string io_engine = "Sync";     // or "Async"
  std::optional<std::string> partuuid = std::nullopt;
  std::optional<RateLimiter> rate_limiter = std::nullopt;
};

struct NetworkSetup {
  std::string id;
  std::string host_device;
  std::optional<std::string> guest_mac = std::nullopt;
  std::optional<RateLimiter> rx_rate_limiter = std::nullopt;
  std::optional<RateLimiter> tx_rate_limiter = std::nullopt;
};

struct VsockSetup {
  uint32_t guest_cid = 3;
  std::string uds_path;
};

// A VM as configured: what PUT requests built up before the start, or what a loaded state holds.
struct VmSetup {
  std::optional<BootSource> boot_source = std::nullopt;
  uint32_t vcpus = 1;
  uint64_t memory_mib = 128;
  bool smt = false;
  bool track_dirty_pages = false;
  std::string huge_pages = "None";
  std::vector<DriveSetup> drives;  // the root drive first: the order in which the guest gets its devices
  std::vector<NetworkSetup> network;
  std::optional<VsockSetup> vsock = std::nullopt;
  bool entropy = false;
};
// The form in which both engines keep a setup in their state files: JSON, and back (kCorrupt when it is
// none).
std::string setup_to_json(const VmSetup& setup);
VmSetup setup_from_json(const std::string& text);

struct LoadRequest {
  std::string state_path;
  std::string memory_path;
  bool track_dirty_pages = false;
  bool clock_realtime = false;
  std::vector<NetworkOverride> network_overrides;
  std::optional<std::string> vsock_override = std::nullopt;
};

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // Called before the configuration is taken over; throws what this hypervisor cannot do. May accept
  // everything.
  virtual void check(const VmSetup& setup) = 0;
  // Boots. On return the VM runs.
  virtual void start(const VmSetup& setup) = 0;
  virtual void pause() = 0;   // only called while it runs
  virtual void resume() = 0;  // only called while it is paused
  virtual void send_ctrl_alt_del() = 0;
  // Of the paused VM: the complete state file first, then the memory. The messages of refusals are
  // Firecracker's when they come from open_state_file() and open_memory_file() below.
  virtual void save(const VmSetup& setup, const std::string& state_path, const std::string& memory_path,
                    SnapshotType type) = 0;
  // Restores, paused. Returns what the state held, with the overrides put in. Throwing ends the engine, after
  // its answer.
  virtual VmSetup load(const LoadRequest& request) = 0;
  // The new file or limit of a drive of the started VM.
  virtual void change_drive(const DriveSetup& drive, bool new_path) = 0;
  virtual void change_network(const NetworkSetup& network) = 0;
};

struct Identity {
  std::string id = "anonymous-instance";
  std::string app_name = "Firecracker";
  Version version;   // reported, and the fields that it knows are known
  bool pci = false;  // --enable-pci
};

class EngineApi {
 public:
  EngineApi(Hypervisor& hypervisor, Identity identity);
  ~EngineApi();
  EngineApi(const EngineApi&) = delete;
  EngineApi& operator=(const EngineApi&) = delete;

  HttpResponse handle(const HttpRequest& request);
  // --config-file: the same as the requests for its sections, then InstanceStart. Throws the first refusal.
  void apply_config_file(const std::string& text);
  std::string state() const;  // "Not started", "Running", "Paused"
  const VmSetup& setup() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Opens for writing as Firecracker does, with its words when that fails. The state file is truncated; the
// memory file gets `memory_bytes` and keeps its content when it had that size before (that is how a Diff
// merges).
UniqueFd open_state_file(const std::string& path);
UniqueFd open_memory_file(const std::string& path, uint64_t memory_bytes);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_ENGINE_API_H_
