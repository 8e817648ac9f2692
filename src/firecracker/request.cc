#include "firecracker/request.h"

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "base/text.h"

namespace knaller::firecracker {
namespace {

constexpr uint32_t kMostVcpus = 32;
constexpr size_t kLongestBootArgs = 2047;

std::string text(const std::string& value, std::string_view what) {
  if (!is_valid_utf8(value) || value.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "the {} '{}' cannot be told to the engine: it is not UTF-8 text", what,
         printable(value));
  return value;
}

std::string path(const std::string& value, std::string_view what) {
  if (value.empty()) fail(Code::kInvalidArgument, "the path of the {} is empty", what);
  return text(value, fmt::format("path of the {}", what));
}

std::string id(const std::string& value) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (value.empty() || value.size() > 64 || !std::all_of(value.begin(), value.end(), fits))
    fail(Code::kInvalidArgument, "'{}' is not a device id: letters, digits and underscores only",
         printable(value));
  return value;
}

std::string mac(const std::string& value) {
  bool good = value.size() == 17;
  for (size_t i = 0; good && i < value.size(); ++i)
    good = i % 3 == 2 ? value[i] == ':' : std::isxdigit(static_cast<unsigned char>(value[i])) != 0;
  if (!good) fail(Code::kInvalidArgument, "'{}' is no MAC address like 06:00:0a:ff:fe:02", printable(value));
  return value;
}

Json bucket(const TokenBucket& limit) {
  Json json{{"size", limit.size}, {"refill_time", limit.refill_time_ms}};
  if (limit.one_time_burst) json["one_time_burst"] = *limit.one_time_burst;
  return json;
}

Json limiter(const RateLimiter& limits) {
  Json json = Json::object();
  if (limits.bandwidth) json["bandwidth"] = bucket(*limits.bandwidth);
  if (limits.ops) json["ops"] = bucket(*limits.ops);
  return json;
}

Request make(std::string method, std::string target, const Json& body) {
  return {std::move(method), std::move(target), dump_json(body)};
}

[[noreturn]] void fail_unknown(const Version& version, std::string_view what, std::string_view since) {
  throw Error(Code::kUnsupported, fmt::format("Firecracker {} knows no {}", version.text(), what),
              fmt::format("use Firecracker {} or newer", since));
}

}  // namespace

Request put_boot_source(const BootSource& source) {
  if (source.boot_args.size() > kLongestBootArgs)
    fail(Code::kInvalidArgument, "the kernel command line has {} bytes; Firecracker takes {}",
         source.boot_args.size(), kLongestBootArgs);
  Json body{{"kernel_image_path", path(source.kernel_image_path, "kernel")},
            {"boot_args", text(source.boot_args, "kernel command line")}};
  if (source.initrd_path) body["initrd_path"] = path(*source.initrd_path, "initrd");
  return make("PUT", "/boot-source", body);
}

Request put_machine_config(const MachineConfig& config) {
  if (config.vcpus < 1 || config.vcpus > kMostVcpus)
    fail(Code::kInvalidArgument, "{} CPUs: a VM has 1 to {}", config.vcpus, kMostVcpus);
  if (config.memory_mib == 0) fail(Code::kInvalidArgument, "a VM needs memory: 0 MiB were asked for");
  Json body{{"vcpu_count", config.vcpus}, {"mem_size_mib", config.memory_mib}};
  if (config.track_dirty_pages) body["track_dirty_pages"] = true;
  return make("PUT", "/machine-config", body);
}

Request put_drive(const Drive& drive) {
  Json body{{"drive_id", id(drive.id)},
            {"path_on_host", path(drive.path, "disk")},
            {"is_root_device", drive.root},
            {"is_read_only", drive.read_only}};
  if (drive.rate_limiter) body["rate_limiter"] = limiter(*drive.rate_limiter);
  return make("PUT", "/drives/" + drive.id, body);
}

Request patch_drive(const DrivePatch& patch) {
  Json body{{"drive_id", id(patch.id)}};
  if (patch.path) body["path_on_host"] = path(*patch.path, "disk");
  if (patch.rate_limiter) body["rate_limiter"] = limiter(*patch.rate_limiter);
  return make("PATCH", "/drives/" + patch.id, body);
}

Request put_network_interface(const NetworkInterface& interface) {
  Json body{{"iface_id", id(interface.id)}, {"host_dev_name", text(interface.host_device, "network device")}};
  if (!interface.guest_mac.empty()) body["guest_mac"] = mac(interface.guest_mac);
  if (interface.rx_rate_limiter) body["rx_rate_limiter"] = limiter(*interface.rx_rate_limiter);
  if (interface.tx_rate_limiter) body["tx_rate_limiter"] = limiter(*interface.tx_rate_limiter);
  return make("PUT", "/network-interfaces/" + interface.id, body);
}

Request patch_network_interface(const NetworkPatch& patch) {
  Json body{{"iface_id", id(patch.id)}};
  if (patch.rx_rate_limiter) body["rx_rate_limiter"] = limiter(*patch.rx_rate_limiter);
  if (patch.tx_rate_limiter) body["tx_rate_limiter"] = limiter(*patch.tx_rate_limiter);
  return make("PATCH", "/network-interfaces/" + patch.id, body);
}

Request start_instance() {
  return make("PUT", "/actions", Json{{"action_type", "InstanceStart"}});
}

Request send_ctrl_alt_del() {
  return make("PUT", "/actions", Json{{"action_type", "SendCtrlAltDel"}});
}

Request set_state(VmState state) {
  return make("PATCH", "/vm", Json{{"state", state == VmState::kPaused ? "Paused" : "Resumed"}});
}

Request create_snapshot(const SnapshotCreate& create, const Version& version) {
  Json body{{"snapshot_type", create.type == SnapshotType::kFull ? "Full" : "Diff"},
            {"snapshot_path", path(create.state_path, "state file")},
            {"mem_file_path", path(create.memory_path, "memory file")}};
  if (!create.sync && features(version).sync_snapshot_files) body["sync_snapshot_files"] = false;
  return make("PUT", "/snapshot/create", std::move(body));
}

Request load_snapshot(const SnapshotLoad& load, const Version& version) {
  const Features known = features(version);
  Json body{
      {"snapshot_path", path(load.state_path, "state file")},
      {"mem_backend", {{"backend_type", "File"}, {"backend_path", path(load.memory_path, "memory file")}}},
      {"resume_vm", load.resume}};
  if (load.track_dirty_pages)
    body[known.track_dirty_pages_load ? "track_dirty_pages" : "enable_diff_snapshots"] = true;
  if (load.clock_realtime && known.clock_realtime) body["clock_realtime"] = true;
  if (!load.network_overrides.empty()) {
    if (!known.network_overrides) fail_unknown(version, "other network devices for a snapshot", "1.12.0");
    for (const NetworkOverride& other : load.network_overrides)
      body["network_overrides"].push_back(
          {{"iface_id", id(other.id)}, {"host_dev_name", text(other.host_device, "network device")}});
  }
  return make("PUT", "/snapshot/load", body);
}

Request describe_instance() {
  return {"GET", "/", {}};
}

Request get_vm_config() {
  return {"GET", "/vm/config", {}};
}

}  // namespace knaller::firecracker
