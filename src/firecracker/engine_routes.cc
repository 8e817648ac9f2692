#include "firecracker/engine_routes.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "firecracker/body.h"

namespace knaller::firecracker {
namespace {

const Schema kBucket{
    "TokenBucket",
    {{"size", Kind::kU64, true}, {"one_time_burst", Kind::kU64}, {"refill_time", Kind::kU64, true}}};
const Schema kLimiter{
    "RateLimiterConfig",
    {{"bandwidth", Kind::kObject, false, {}, &kBucket}, {"ops", Kind::kObject, false, {}, &kBucket}}};

const Schema kBootSource{"BootSourceConfig",
                         {{"kernel_image_path", Kind::kString, true},
                          {"initrd_path", Kind::kString},
                          {"boot_args", Kind::kString}}};

const Schema kDrive{"BlockDeviceConfig",
                    {{"drive_id", Kind::kString, true},
                     {"partuuid", Kind::kString},
                     {"is_root_device", Kind::kBool, true},
                     {"cache_type", Kind::kEnum, false, {"Unsafe", "Writeback"}},
                     {"is_read_only", Kind::kBool},
                     {"path_on_host", Kind::kString},
                     {"rate_limiter", Kind::kObject, false, {}, &kLimiter},
                     {"io_engine", Kind::kEnum, false, {"Async", "Sync"}},
                     {"socket", Kind::kString}}};
const Schema kDriveUpdate{"BlockDeviceUpdateConfig",
                          {{"drive_id", Kind::kString, true},
                           {"path_on_host", Kind::kString},
                           {"rate_limiter", Kind::kObject, false, {}, &kLimiter}}};

const Schema kNetwork{"NetworkInterfaceConfig",
                      {{"iface_id", Kind::kString, true},
                       {"host_dev_name", Kind::kString, true},
                       {"guest_mac", Kind::kMac},
                       {"rx_rate_limiter", Kind::kObject, false, {}, &kLimiter},
                       {"tx_rate_limiter", Kind::kObject, false, {}, &kLimiter}}};
const Schema kNetworkUpdate{"NetworkInterfaceUpdateConfig",
                            {{"iface_id", Kind::kString, true},
                             {"rx_rate_limiter", Kind::kObject, false, {}, &kLimiter},
                             {"tx_rate_limiter", Kind::kObject, false, {}, &kLimiter}}};

const Schema kVsock{
    "VsockDeviceConfig",
    {{"vsock_id", Kind::kString}, {"guest_cid", Kind::kU32, true}, {"uds_path", Kind::kString, true}}};
const Schema kEntropy{"EntropyDeviceConfig", {{"rate_limiter", Kind::kObject, false, {}, &kLimiter}}};
const Schema kLogger{"LoggerConfig",
                     {{"log_path", Kind::kString},
                      {"level", Kind::kLevel},
                      {"show_level", Kind::kBool},
                      {"show_log_origin", Kind::kBool},
                      {"module", Kind::kString}}};
const Schema kMetrics{"MetricsConfig", {{"metrics_path", Kind::kString, true}}};
const Schema kSerial{"SerialConfig", {{"serial_out_path", Kind::kString}}};
const Schema kAction{
    "ActionBody", {{"action_type", Kind::kEnum, true, {"FlushMetrics", "InstanceStart", "SendCtrlAltDel"}}}};
const Schema kVm{"Vm", {{"state", Kind::kEnum, true, {"Paused", "Resumed"}}}};
const Schema kBackend{
    "MemBackendConfig",
    {{"backend_path", Kind::kString, true}, {"backend_type", Kind::kEnum, true, {"File", "Uffd"}}}};
const Schema kNetworkOverride{"NetworkOverride",
                              {{"iface_id", Kind::kString, true}, {"host_dev_name", Kind::kString, true}}};
const Schema kVsockOverride{"VsockOverride", {{"uds_path", Kind::kString, true}}};

std::vector<std::string_view> huge_pages(const Version& version) {
  if (features(version).load_huge_pages) return {"None", "Transparent", "2M"};
  return {"None", "2M"};
}

Schema machine_config(const Version& version, bool complete) {
  return {complete ? "MachineConfig" : "MachineConfigUpdate",
          {{"vcpu_count", Kind::kU8, complete},
           {"mem_size_mib", Kind::kU64, complete},
           {"smt", Kind::kBool},
           {"cpu_template", Kind::kEnum, false, {"C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"}},
           {"track_dirty_pages", Kind::kBool},
           {"huge_pages", Kind::kEnum, false, huge_pages(version)}}};
}

Schema balloon(const Version& version) {
  Schema schema{"BalloonDeviceConfig",
                {{"amount_mib", Kind::kU32, true},
                 {"deflate_on_oom", Kind::kBool, true},
                 {"stats_polling_interval_s", Kind::kU16}}};
  if (version >= Version{1, 14, 0, {}}) {
    schema.fields.push_back({"free_page_hinting", Kind::kBool});
    schema.fields.push_back({"free_page_reporting", Kind::kBool});
  }
  return schema;
}

Schema create(const Version& version) {
  Schema schema{"CreateSnapshotParams",
                {{"snapshot_type", Kind::kEnum, false, {"Diff", "Full"}},
                 {"snapshot_path", Kind::kString, true},
                 {"mem_file_path", Kind::kString, true}}};
  if (features(version).sync_snapshot_files) schema.fields.push_back({"sync_snapshot_files", Kind::kBool});
  return schema;
}

Schema load(const Version& version) {
  const Features known = features(version);
  Schema schema{"LoadSnapshotConfig",
                {{"snapshot_path", Kind::kString, true},
                 {"mem_file_path", Kind::kString},
                 {"mem_backend", Kind::kObject, false, {}, &kBackend},
                 {"enable_diff_snapshots", Kind::kBool}}};
  auto& fields = schema.fields;
  if (known.track_dirty_pages_load) fields.push_back({"track_dirty_pages", Kind::kBool});
  fields.push_back({"resume_vm", Kind::kBool});
  if (known.network_overrides)
    fields.push_back({"network_overrides", Kind::kArray, false, {}, &kNetworkOverride});
  if (known.vsock_override) fields.push_back({"vsock_override", Kind::kObject, false, {}, &kVsockOverride});
  if (known.clock_realtime) fields.push_back({"clock_realtime", Kind::kBool});
  if (known.load_huge_pages)
    fields.push_back({"huge_pages", Kind::kEnum, false, {"Snapshot", "None", "Transparent", "2M"}});
  return schema;
}

[[noreturn]] void refuse_path(const std::string& method, std::string_view path) {
  refuse(fmt::format("Invalid request method and/or path: {} {}.", method, path));
}

// A request whose path is split: "/drives/rootfs" is "drives" and "rootfs".
struct Route {
  const HttpRequest& request;
  std::string path;  // without leading slashes
  std::string first;
  std::string second;
};

Route split_path(const HttpRequest& request) {
  Route route{request, request.target, {}, {}};
  route.path.erase(0, std::min(route.path.find_first_not_of('/'), route.path.size()));
  const auto parts = split(route.path, '/');
  route.first = parts[0];
  if (parts.size() > 1) route.second = parts[1];
  return route;
}

std::string device_id(const Route& route) {
  if (route.second.empty()) refuse("The ID cannot be empty.");
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (!std::all_of(route.second.begin(), route.second.end(), fits))
    refuse("API Resource IDs can only contain alphanumeric characters and underscores.");
  return route.second;
}

Call body_call(Endpoint endpoint, const Route& route, const Schema& schema) {
  return {endpoint, {}, parse_body(route.request.body, schema)};
}

Call drive_call(const Route& route, bool update) {
  const std::string id = device_id(route);
  Call call{update ? Endpoint::kPatchDrive : Endpoint::kPutDrive, id,
            parse_body(route.request.body, update ? kDriveUpdate : kDrive)};
  if (call.body["drive_id"] != id) refuse("The id from the path does not match the id from the body!");
  return call;
}

Call network_call(const Route& route, bool update) {
  const std::string id = device_id(route);
  Call call{update ? Endpoint::kPatchNetwork : Endpoint::kPutNetwork, id,
            parse_body(route.request.body, update ? kNetworkUpdate : kNetwork)};
  const auto named = call.body["iface_id"].get<std::string>();
  if (named != id)
    refuse(fmt::format("The id from the path [{}] does not match the id from the body [{}]!", id, named));
  return call;
}

Call load_call(const Route& route, const Version& version) {
  Call call = body_call(Endpoint::kLoadSnapshot, route, load(version));
  const bool backend = call.body.contains("mem_backend");
  const bool file = call.body.contains("mem_file_path");
  if (backend && file)
    refuse_body("too many fields: either `mem_backend` or `mem_file_path` exclusively is required");
  if (!backend && !file) refuse_body("missing field: either `mem_backend` or `mem_file_path` is required");
  return call;
}

bool is_other(const std::string& first) {
  return first == "mmds" || first == "pmem" || first == "hotplug" || first == "cpu-config";
}

Call get_call(const Route& route) {
  if (!route.request.body.empty()) refuse("GET request cannot have a body.");
  if (route.first.empty()) return {Endpoint::kDescribe, {}, {}};
  if (route.first == "version") return {Endpoint::kVersion, {}, {}};
  if (route.first == "machine-config") return {Endpoint::kGetMachineConfig, {}, {}};
  if (route.first == "vm" && route.second == "config") return {Endpoint::kGetVmConfig, {}, {}};
  if (route.first == "balloon")
    return {route.second.empty() ? Endpoint::kGetBalloon : Endpoint::kOther, {}, {}};
  if (is_other(route.first)) return {Endpoint::kOther, {}, {}};
  refuse_path("GET", route.first);
}

Call put_call(const Route& route, const Version& version) {
  if (route.request.body.empty()) refuse("Empty PUT request.");
  const std::string& first = route.first;
  if (first == "actions") return body_call(Endpoint::kAction, route, kAction);
  if (first == "balloon") return body_call(Endpoint::kPutBalloon, route, balloon(version));
  if (first == "boot-source") return body_call(Endpoint::kPutBootSource, route, kBootSource);
  if (first == "drives") return drive_call(route, false);
  if (first == "entropy") return body_call(Endpoint::kPutEntropy, route, kEntropy);
  if (first == "logger") return body_call(Endpoint::kPutLogger, route, kLogger);
  if (first == "machine-config")
    return body_call(Endpoint::kPutMachineConfig, route, machine_config(version, true));
  if (first == "metrics") return body_call(Endpoint::kPutMetrics, route, kMetrics);
  if (first == "network-interfaces") return network_call(route, false);
  if (first == "serial" && features(version).serial) return body_call(Endpoint::kPutSerial, route, kSerial);
  if (first == "snapshot" && route.second == "create")
    return body_call(Endpoint::kCreateSnapshot, route, create(version));
  if (first == "snapshot" && route.second == "load") return load_call(route, version);
  if (first == "snapshot") refuse_path("PUT", "/" + route.path);
  if (first == "vsock") return body_call(Endpoint::kPutVsock, route, kVsock);
  if (is_other(first)) return {Endpoint::kOther, {}, {}};
  refuse_path("PUT", first);
}

Call patch_call(const Route& route, const Version& version) {
  if (route.request.body.empty()) refuse("Empty PATCH request.");
  if (route.first == "drives") return drive_call(route, true);
  if (route.first == "network-interfaces") return network_call(route, true);
  if (route.first == "vm") return body_call(Endpoint::kPatchVm, route, kVm);
  if (route.first == "machine-config") {
    Call call = body_call(Endpoint::kPatchMachineConfig, route, machine_config(version, false));
    if (call.body.empty()) refuse("Empty PATCH request.");
    return call;
  }
  if (route.first == "balloon" || is_other(route.first)) return {Endpoint::kOther, {}, {}};
  refuse_path("PATCH", route.first);
}

Call delete_call(const Route& route) {
  if (!route.request.body.empty()) refuse("DELETE request cannot have a body.");
  if (route.first != "drives" && route.first != "network-interfaces") refuse_path("DELETE", route.first);
  return {Endpoint::kDeleteDevice, device_id(route), {}};
}

}  // namespace

void refuse(std::string message) {
  throw Error(Code::kInvalidArgument, std::move(message));
}

Call parse_call(const HttpRequest& request, const Version& version) {
  const Route route = split_path(request);
  if (request.method == "GET") return get_call(route);
  if (request.method == "PUT") return put_call(route, version);
  if (request.method == "PATCH") return patch_call(route, version);
  return delete_call(route);
}

}  // namespace knaller::firecracker
