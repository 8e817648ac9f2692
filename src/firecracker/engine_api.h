// Firecracker's API without Firecracker's hypervisor: routes, bodies, the state rules and the words of every
// refusal, for knaller-qemu and the fake. They supply a Hypervisor; everything that a client can see of the
// rest is the same for both.
//
// What it answers is compared with recordings of the real one (tests/data/firecracker). Single-threaded, like
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

struct BalloonSetup {
  uint64_t amount_mib = 0;
  bool deflate_on_oom = false;
  uint64_t stats_polling_interval_s = 0;
  bool free_page_hinting = false;
  bool free_page_reporting = false;
};

// A VM as configured: what PUT requests built up before the start, or what a loaded state holds.
struct VmSetup {
  std::optional<BootSource> boot_source = std::nullopt;
  uint32_t vcpus = 1;
  uint64_t memory_mib = 128;
  bool smt = false;
  bool track_dirty_pages = false;
  std::string huge_pages = "None";
  std::optional<std::string> cpu_template = std::nullopt;
  std::vector<DriveSetup> drives;  // the root drive first: the order in which the guest gets its devices
  std::vector<NetworkSetup> network;
  std::optional<VsockSetup> vsock = std::nullopt;
  std::optional<BalloonSetup> balloon = std::nullopt;
  bool entropy = false;
  std::optional<std::string> serial_out_path = std::nullopt;  // where the console goes instead of stdout
};
// The form in which both engines keep a setup in their state files: JSON, and back (kCorrupt when it is not
// one).
std::string setup_to_json(const VmSetup& setup);
VmSetup setup_from_json(const std::string& text);

struct LoadRequest {
  std::string state_path;
  std::string memory_path;
  bool track_dirty_pages = false;
  bool clock_realtime = false;
  std::vector<NetworkOverride> network_overrides;
  std::optional<std::string> vsock_override = std::nullopt;
  std::optional<std::string> serial_out_path = std::nullopt;  // from PUT /serial before
};

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // Throws what this hypervisor cannot do, before the configuration is taken over. Files are not its concern
  // here.
  virtual void check(const VmSetup& setup) = 0;
  // Boots. On return the VM runs. The kernel is an ELF file or a bzImage; drives could be opened.
  virtual void start(const VmSetup& setup) = 0;
  virtual void pause() = 0;   // only called while it runs
  virtual void resume() = 0;  // only called while it is paused
  virtual void send_ctrl_alt_del() = 0;
  // Of the paused VM: the complete state file first, then the memory, so that a memory file that cannot be
  // opened (a directory) leaves a complete state. create_state_file() and create_memory_file() below refuse
  // in Firecracker's words.
  virtual void save(const VmSetup& setup, const SnapshotCreate& request) = 0;
  // Restores, paused. Returns what the state held, with the overrides put in: restored_setup() below does
  // that and refuses in Firecracker's words. Throwing ends the engine, after its answer.
  virtual VmSetup load(const LoadRequest& request) = 0;
  // The new file (`path` changed, or the old one again) or limit of a drive of the started VM.
  virtual void change_drive(const DriveSetup& drive, bool new_path) = 0;
  virtual void change_network(const NetworkSetup& network) = 0;
  virtual void flush_metrics() {}
};

struct Identity {
  std::string id = "anonymous-instance";
  Version version;   // reported; fields that this version knows are known
  bool pci = false;  // --enable-pci
};

class EngineApi {
 public:
  EngineApi(Hypervisor& hypervisor, Identity identity);
  ~EngineApi();
  EngineApi(const EngineApi&) = delete;
  EngineApi& operator=(const EngineApi&) = delete;

  // For serve(). The answer to a load that failed is the last one: the program ends with status 1 then.
  HttpResponse handle(const HttpRequest& request);
  // --config-file: the same as the requests for its sections, then InstanceStart. Throws the first refusal.
  void apply_config_file(const std::string& text);
  // --log-path and --level, --metrics-path: the same as PUT /logger and PUT /metrics. Throw the refusal.
  void set_logger(const std::string& path, const std::string& level);
  void set_metrics(const std::string& path);
  // A line for the engine's log: to the log file if one was set, else to stdout, as Firecracker does.
  void log(const std::string& line);

  std::string state() const;  // "Not started", "Running", "Paused"
  const VmSetup& setup() const;
  bool load_failed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Open files as Firecracker does, with its words when that fails. The state file is made empty; the memory
// file gets `memory_bytes` and keeps its content when it had that size before (that is how a Diff merges).
UniqueFd create_state_file(const std::string& path);
UniqueFd create_memory_file(const std::string& path, uint64_t memory_bytes);
UniqueFd open_saved_state(const std::string& path);
UniqueFd open_saved_memory(const std::string& path, uint64_t memory_bytes);  // kept open for reading
// The setup that was saved, with the request's overrides; refuses devices that it does not have and drives
// that do not open.
VmSetup restored_setup(const std::string& saved_setup, const LoadRequest& request);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_ENGINE_API_H_
