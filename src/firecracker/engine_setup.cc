#include "firecracker/engine_setup.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace knaller::firecracker {
namespace {

constexpr int kSetupFormat = 1;

template <typename T>
std::optional<T> optional_from(const Json& body, const char* key) {
  const auto it = body.find(key);
  if (it == body.end() || it->is_null()) return std::nullopt;
  return it->get<T>();
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

std::optional<TokenBucket> bucket_from(const Json& limiter, const char* key) {
  const auto it = limiter.find(key);
  if (it == limiter.end() || it->is_null()) return std::nullopt;
  return TokenBucket{it->at("size").get<uint64_t>(), optional_from<uint64_t>(*it, "one_time_burst"),
                     it->at("refill_time").get<uint64_t>()};
}

Json to_json(const std::optional<TokenBucket>& bucket) {
  if (!bucket) return {};
  return {{"size", bucket->size},
          {"one_time_burst", or_null(bucket->one_time_burst)},
          {"refill_time", bucket->refill_time_ms}};
}

Json to_json(const std::optional<RateLimiter>& limiter) {
  if (!limiter || (!limiter->bandwidth && !limiter->ops)) return {};
  return {{"bandwidth", to_json(limiter->bandwidth)}, {"ops", to_json(limiter->ops)}};
}

Json to_json(const DriveSetup& drive) {
  return {{"drive_id", drive.id},
          {"partuuid", or_null(drive.partuuid)},
          {"is_root_device", drive.root},
          {"cache_type", drive.cache_type},
          {"is_read_only", drive.read_only},
          {"path_on_host", or_null(drive.path)},
          {"rate_limiter", to_json(drive.rate_limiter)},
          {"io_engine", drive.io_engine},
          {"socket", Json()}};
}

Json to_json(const NetworkSetup& network) {
  return {{"iface_id", network.id},
          {"host_dev_name", network.host_device},
          {"guest_mac", or_null(network.guest_mac)},
          {"rx_rate_limiter", to_json(network.rx_rate_limiter)},
          {"tx_rate_limiter", to_json(network.tx_rate_limiter)}};
}

Json to_json(const std::optional<BootSource>& source) {
  const BootSource none;
  const BootSource& shown = source ? *source : none;
  return {{"kernel_image_path", shown.kernel_image_path},
          {"initrd_path", or_null(shown.initrd_path)},
          {"boot_args", shown.boot_args.empty() ? Json() : Json(shown.boot_args)}};
}

}  // namespace

std::optional<RateLimiter> limiter_from(const Json& body, std::string_view key,
                                        const std::optional<RateLimiter>& before) {
  const auto it = body.find(key);
  if (it == body.end() || it->is_null()) return before;
  RateLimiter limiter = before.value_or(RateLimiter{});
  if (const auto bandwidth = bucket_from(*it, "bandwidth")) limiter.bandwidth = bandwidth;
  if (const auto ops = bucket_from(*it, "ops")) limiter.ops = ops;
  return limiter;
}

BootSource boot_source_from(const Json& body) {
  return {body.at("kernel_image_path").get<std::string>(), optional_from<std::string>(body, "initrd_path"),
          optional_from<std::string>(body, "boot_args").value_or("")};
}

DriveSetup drive_from(const Json& body) {
  DriveSetup drive;
  drive.id = body.at("drive_id").get<std::string>();
  drive.path = optional_from<std::string>(body, "path_on_host");
  drive.root = body.at("is_root_device").get<bool>();
  drive.read_only = optional_from<bool>(body, "is_read_only").value_or(false);
  drive.cache_type = optional_from<std::string>(body, "cache_type").value_or(drive.cache_type);
  drive.io_engine = optional_from<std::string>(body, "io_engine").value_or(drive.io_engine);
  drive.partuuid = optional_from<std::string>(body, "partuuid");
  drive.rate_limiter = limiter_from(body, "rate_limiter");
  return drive;
}

NetworkSetup network_from(const Json& body) {
  return {body.at("iface_id").get<std::string>(), body.at("host_dev_name").get<std::string>(),
          optional_from<std::string>(body, "guest_mac"), limiter_from(body, "rx_rate_limiter"),
          limiter_from(body, "tx_rate_limiter")};
}

BalloonSetup balloon_from(const Json& body) {
  return {body.at("amount_mib").get<uint64_t>(), body.at("deflate_on_oom").get<bool>(),
          optional_from<uint64_t>(body, "stats_polling_interval_s").value_or(0),
          optional_from<bool>(body, "free_page_hinting").value_or(false),
          optional_from<bool>(body, "free_page_reporting").value_or(false)};
}

LoadRequest load_request_from(const Json& body) {
  LoadRequest request;
  request.state_path = body.at("snapshot_path").get<std::string>();
  request.memory_path = body.contains("mem_backend")
                            ? body["mem_backend"].at("backend_path").get<std::string>()
                            : body.at("mem_file_path").get<std::string>();
  request.track_dirty_pages = optional_from<bool>(body, "track_dirty_pages").value_or(false) ||
                              optional_from<bool>(body, "enable_diff_snapshots").value_or(false);
  request.clock_realtime = optional_from<bool>(body, "clock_realtime").value_or(false);
  if (body.contains("network_overrides"))
    for (const Json& each : body["network_overrides"])
      request.network_overrides.push_back(
          {each.at("iface_id").get<std::string>(), each.at("host_dev_name").get<std::string>()});
  if (body.contains("vsock_override"))
    request.vsock_override = body["vsock_override"].at("uds_path").get<std::string>();
  return request;
}

void reset_machine(VmSetup& setup) {
  const VmSetup fresh;
  setup.smt = fresh.smt;
  setup.track_dirty_pages = fresh.track_dirty_pages;
  setup.huge_pages = fresh.huge_pages;
  setup.cpu_template = fresh.cpu_template;
}

void change_machine(const Json& body, VmSetup& setup) {
  setup.vcpus = optional_from<uint32_t>(body, "vcpu_count").value_or(setup.vcpus);
  setup.memory_mib = optional_from<uint64_t>(body, "mem_size_mib").value_or(setup.memory_mib);
  setup.smt = optional_from<bool>(body, "smt").value_or(setup.smt);
  setup.track_dirty_pages = optional_from<bool>(body, "track_dirty_pages").value_or(setup.track_dirty_pages);
  setup.huge_pages = optional_from<std::string>(body, "huge_pages").value_or(setup.huge_pages);
  if (const auto cpu_template = optional_from<std::string>(body, "cpu_template"))
    setup.cpu_template = cpu_template;
  if (setup.cpu_template == "None") setup.cpu_template.reset();
}

Json machine_to_json(const VmSetup& setup) {
  Json json{{"vcpu_count", setup.vcpus},
            {"mem_size_mib", setup.memory_mib},
            {"smt", setup.smt},
            {"track_dirty_pages", setup.track_dirty_pages},
            {"huge_pages", setup.huge_pages}};
  if (setup.cpu_template) json["cpu_template"] = *setup.cpu_template;
  return json;
}

Json balloon_to_json(const BalloonSetup& balloon, const Version& version) {
  Json json{{"amount_mib", balloon.amount_mib},
            {"deflate_on_oom", balloon.deflate_on_oom},
            {"stats_polling_interval_s", balloon.stats_polling_interval_s}};
  if (version >= Version{1, 14, 0, {}}) {
    json["free_page_hinting"] = balloon.free_page_hinting;
    json["free_page_reporting"] = balloon.free_page_reporting;
  }
  return json;
}

Json vm_config(const VmSetup& setup, const Version& version) {
  Json json{{"boot-source", to_json(setup.boot_source)},
            {"machine-config", machine_to_json(setup)},
            {"drives", Json::array()},
            {"network-interfaces", Json::array()},
            {"balloon", setup.balloon ? balloon_to_json(*setup.balloon, version) : Json()},
            {"entropy", setup.entropy ? Json{{"rate_limiter", Json()}} : Json()},
            {"vsock", Json()}};
  for (const DriveSetup& drive : setup.drives) json["drives"].push_back(to_json(drive));
  for (const NetworkSetup& network : setup.network) json["network-interfaces"].push_back(to_json(network));
  if (setup.vsock)
    json["vsock"] = {{"guest_cid", setup.vsock->guest_cid}, {"uds_path", setup.vsock->uds_path}};
  for (const char* absent : {"cpu-config", "logger", "metrics", "mmds-config"}) json[absent] = Json();
  if (features(version).hotplug) {
    json["pmem"] = Json::array();
    json["memory-hotplug"] = Json();
  }
  return json;
}

std::string setup_to_json(const VmSetup& setup) {
  Json json = vm_config(setup, Version{1, 17, 0, {}});
  json["format"] = kSetupFormat;
  return dump_json(json);
}

VmSetup setup_from_json(const std::string& text) {
  const Json json = parse_json(text, "the saved setup");
  try {
    if (json.at("format") != kSetupFormat) fail(Code::kCorrupt, "the saved setup has an unknown format");
    VmSetup setup;
    setup.boot_source = boot_source_from(json.at("boot-source"));
    if (setup.boot_source->kernel_image_path.empty()) setup.boot_source.reset();
    change_machine(json.at("machine-config"), setup);
    for (const Json& drive : json.at("drives")) setup.drives.push_back(drive_from(drive));
    for (const Json& network : json.at("network-interfaces")) setup.network.push_back(network_from(network));
    if (!json.at("balloon").is_null()) setup.balloon = balloon_from(json["balloon"]);
    setup.entropy = !json.at("entropy").is_null();
    if (const Json& vsock = json.at("vsock"); !vsock.is_null())
      setup.vsock =
          VsockSetup{vsock.at("guest_cid").get<uint32_t>(), vsock.at("uds_path").get<std::string>()};
    return setup;
  } catch (const Json::exception& error) {
    fail(Code::kCorrupt, "the saved setup is damaged: {}", error.what());
  }
}

std::string os_error(int number) {
  return fmt::format("{} (os error {})", std::generic_category().message(number), number);
}

std::string backing_file_error(const DriveSetup& drive) {
  const std::string path = drive.path.value_or("");
  const UniqueFd fd(::open(path.c_str(), (drive.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK));
  if (fd) return {};
  return fmt::format("Virtio backend error: Error manipulating the backing file: {} {}", os_error(errno),
                     path);
}

}  // namespace knaller::firecracker
