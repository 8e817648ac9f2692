#include "firecracker/engine_api.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <map>

#include "base/text.h"
#include "firecracker/engine_change.h"
#include "firecracker/engine_routes.h"
#include "firecracker/engine_setup.h"

namespace knaller::firecracker {
namespace {

// Firecracker's name for the request, in front of what the hypervisor said.
template <typename Body>
auto refusing_as(std::string_view prefix, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    refuse(fmt::format("{}{}", prefix, error.what()));
  }
}

// A file or fifo to write lines to; made where the version makes it.
UniqueFd open_log(const std::string& path, const Version& version, std::string_view refusal) {
  const int create = features(version).makes_log_files ? O_CREAT : 0;
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK | create, 0600));
  if (!fd) refuse(fmt::format("{}{}", refusal, os_error(errno)));
  return fd;
}

}  // namespace

struct EngineApi::Impl {
  enum class State { kNotStarted, kRunning, kPaused };

  Impl(Hypervisor& machine, Identity who) : hypervisor(machine), identity(std::move(who)) {}

  HttpResponse dispatch(const Call& call) {
    switch (call.endpoint) {
      case Endpoint::kDescribe:
        return answer({{"id", identity.id},
                       {"state", state_name()},
                       {"vmm_version", identity.version.text()},
                       {"app_name", "Firecracker"}});
      case Endpoint::kVersion:
        return answer({{"firecracker_version", identity.version.text()}});
      case Endpoint::kGetMachineConfig:
        return answer(machine_to_json(setup));
      case Endpoint::kGetVmConfig:
        return answer(vm_config(setup, identity.version));
      case Endpoint::kGetBalloon:
        if (!setup.balloon) refuse("Balloon config error: No balloon device found.");
        return answer(balloon_to_json(*setup.balloon, identity.version));
      case Endpoint::kAction:
        return act(call.body.at("action_type").get<std::string>());
      case Endpoint::kPatchVm:
        require_started();
        return set_state(call.body.at("state") == "Paused" ? State::kPaused : State::kRunning);
      case Endpoint::kCreateSnapshot:
        require_started();
        return create_snapshot(call.body);
      case Endpoint::kPatchDrive:
        require_started();
        return patch_drive(call);
      case Endpoint::kPatchNetwork:
        require_started();
        return patch_network(call);
      case Endpoint::kDeleteDevice:
        require_started();
        refuse_hotplug();
      case Endpoint::kOther:
        refuse("This engine does not have that part of Firecracker's API.");
      default:
        return configure(call);
    }
  }

  // Everything that is possible only before the start.
  HttpResponse configure(const Call& call) {
    const bool device = call.endpoint == Endpoint::kPutDrive || call.endpoint == Endpoint::kPutNetwork;
    if (state != State::kNotStarted && device && features(identity.version).hotplug) refuse_hotplug();
    if (state != State::kNotStarted)
      refuse("The requested operation is not supported after starting the microVM.");
    switch (call.endpoint) {
      case Endpoint::kLoadSnapshot:
        return load_snapshot(call.body);
      case Endpoint::kPutLogger:
        return put_logger(call.body);
      case Endpoint::kPutMetrics:
        return put_metrics(call.body);
      case Endpoint::kPutSerial:
        return put_serial(call.body);
      default:
        break;
    }
    configured = true;
    VmSetup changed = setup;
    change_setup(call, changed);
    hypervisor.check(changed);
    setup = std::move(changed);
    return {};
  }

  HttpResponse put_logger(const Json& body) {
    if (body.contains("log_path"))
      log_file = open_log(body["log_path"].get<std::string>(), identity.version,
                          "Logger error: Failed to open target file: ");
    return {};
  }

  HttpResponse put_metrics(const Json& body) {
    constexpr std::string_view kRefused =
        "Metrics error: Cannot initialize the metrics system due to bad user input: ";
    if (metrics_file) refuse(fmt::format("{}Reinitialization of metrics not allowed.", kRefused));
    metrics_file = open_log(body.at("metrics_path").get<std::string>(), identity.version, kRefused);
    return {};
  }

  HttpResponse put_serial(const Json& body) {
    if (body.contains("serial_out_path")) setup.serial_out_path = body["serial_out_path"].get<std::string>();
    return {};
  }

  HttpResponse act(const std::string& action) {
    if (action == "InstanceStart") {
      if (state != State::kNotStarted)
        refuse("The requested operation is not supported after starting the microVM.");
      return start();
    }
    require_started();
    if (action == "SendCtrlAltDel")
      hypervisor.send_ctrl_alt_del();
    else
      flush_metrics();
    return {};
  }

  // Firecracker's names, of what there is to count here: requests by their kind.
  void count(const HttpRequest& request, bool refused) {
    static const std::map<std::string, std::string> names = {
        {"GET ", "instance_info"},
        {"GET machine-config", "machine_cfg"},
        {"GET version", "vmm_version"},
        {"PUT actions", "actions"},
        {"PUT boot-source", "boot_source"},
        {"PUT drives", "drive"},
        {"PUT logger", "logger"},
        {"PUT machine-config", "machine_cfg"},
        {"PUT metrics", "metrics"},
        {"PUT serial", "serial"},
        {"PUT network-interfaces", "network"},
        {"PATCH drives", "drive"},
        {"PATCH machine-config", "machine_cfg"},
        {"PATCH network-interfaces", "network"},
    };
    const auto parts = split(request.target, '/');
    const auto name = names.find(fmt::format("{} {}", request.method, parts.size() > 1 ? parts[1] : ""));
    if (name == names.end()) return;
    std::string group = request.method + "_api_requests";
    std::transform(group.begin(), group.end(), group.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    ++counts[group][name->second + "_count"];
    counts[group][name->second + "_fails"] += refused ? 1 : 0;
  }

  void flush_metrics() {
    hypervisor.flush_metrics();
    if (!metrics_file) return;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    Json line = counts;
    line["utc_timestamp_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    const std::string text = dump_json(line) + "\n";
    // A fifo that nobody reads stops no VM.
    [[maybe_unused]] const ssize_t written = ::write(metrics_file.get(), text.data(), text.size());
  }

  HttpResponse start() {
    refusing_as("Start microvm error: ", [&] {
      if (!setup.boot_source) refuse("Cannot start microvm without kernel configuration.");
      check_kernel(setup.boot_source->kernel_image_path);
      hypervisor.start(setup);
    });
    state = State::kRunning;
    return {};
  }

  HttpResponse set_state(State wanted) {
    if (state == wanted) return {};
    if (wanted == State::kPaused)
      hypervisor.pause();
    else
      hypervisor.resume();
    state = wanted;
    return {};
  }

  HttpResponse create_snapshot(const Json& body) {
    const SnapshotCreate request{
        body.at("snapshot_path").get<std::string>(), body.at("mem_file_path").get<std::string>(),
        body.value("snapshot_type", "Full") == "Diff" ? SnapshotType::kDiff : SnapshotType::kFull,
        body.value("sync_snapshot_files", true)};
    if (request.type == SnapshotType::kDiff && !setup.track_dirty_pages &&
        !features(identity.version).diff_without_tracking)
      refuse(
          "The requested operation is not supported: Diff snapshots are not allowed on uVMs with dirty page "
          "tracking disabled.");
    refusing_as("Create snapshot error: ", [&] {
      if (state != State::kPaused)
        refuse(
            "Cannot save the microVM state: Operation not allowed: save/restore unavailable while running");
      hypervisor.save(setup, request);
    });
    return {};
  }

  HttpResponse load_snapshot(const Json& body) {
    if (configured)
      refuse(
          "Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific "
          "resources.");
    try {
      refusing_as("Load snapshot error: Failed to restore from snapshot: ", [&] {
        if (body.contains("mem_backend") && body["mem_backend"].at("backend_type") == "Uffd")
          refuse("Failed to load guest memory: page fault handlers are not supported by this engine.");
        LoadRequest request = load_request_from(body);
        request.serial_out_path = setup.serial_out_path;
        setup = hypervisor.load(request);
      });
    } catch (const Error& error) {
      load_failed = true;
      HttpResponse response = fault_response(error.what());
      response.last = true;
      return response;
    }
    state = State::kPaused;
    return body.value("resume_vm", false) ? set_state(State::kRunning) : HttpResponse{};
  }

  HttpResponse patch_drive(const Call& call) {
    constexpr std::string_view kRefused = "Drive config error: Unable to patch the block device: ";
    constexpr std::string_view kAdvice = "Please verify the request arguments.";
    const auto drive = std::find_if(setup.drives.begin(), setup.drives.end(),
                                    [&](const DriveSetup& each) { return each.id == call.id; });
    if (drive == setup.drives.end())
      refuse(fmt::format("{}Failed perform action on device: Device not found {}", kRefused, kAdvice));
    const bool new_path = call.body.contains("path_on_host");
    if (!new_path && !call.body.contains("rate_limiter"))
      refuse(fmt::format("{}Block: Running method expected different backend. {}", kRefused, kAdvice));
    DriveSetup changed = *drive;
    if (new_path) changed.path = call.body["path_on_host"].get<std::string>();
    changed.rate_limiter = limiter_from(call.body, "rate_limiter", drive->rate_limiter);
    if (const std::string error = backing_file_error(changed); new_path && !error.empty())
      refuse(fmt::format("{}Block: {} {}", kRefused, error, kAdvice));
    refusing_as(kRefused, [&] { hypervisor.change_drive(changed, new_path); });
    *drive = changed;
    return {};
  }

  HttpResponse patch_network(const Call& call) {
    const auto network = std::find_if(setup.network.begin(), setup.network.end(),
                                      [&](const NetworkSetup& each) { return each.id == call.id; });
    if (network == setup.network.end())
      refuse("Network config error: Unable to update the network device: Device not found");
    NetworkSetup changed = *network;
    changed.rx_rate_limiter = limiter_from(call.body, "rx_rate_limiter", network->rx_rate_limiter);
    changed.tx_rate_limiter = limiter_from(call.body, "tx_rate_limiter", network->tx_rate_limiter);
    hypervisor.change_network(changed);
    *network = changed;
    return {};
  }

  void require_started() const {
    if (state == State::kNotStarted)
      refuse("The requested operation is not supported before starting the microVM.");
  }

  [[noreturn]] void refuse_hotplug() const {
    refuse(identity.pci ? "Devices of a running microVM cannot be changed on this engine."
                        : "PCI is not enabled");
  }

  static HttpResponse answer(const Json& json) { return {200, dump_json(json)}; }

  const char* state_name() const {
    return state == State::kNotStarted ? "Not started" : state == State::kRunning ? "Running" : "Paused";
  }

  void log(const std::string& line) {
    const std::string text =
        fmt::format("{} [{}:main] {}\n", format_time(std::chrono::system_clock::now()), identity.id, line);
    // A log that is full or gone stops no VM.
    [[maybe_unused]] const ssize_t written =
        ::write(log_file ? log_file.get() : STDOUT_FILENO, text.data(), text.size());
  }

  Hypervisor& hypervisor;
  Identity identity;
  State state = State::kNotStarted;
  VmSetup setup;
  bool configured = false;  // by a request that makes a load impossible
  bool load_failed = false;
  UniqueFd log_file;
  UniqueFd metrics_file;
  std::map<std::string, std::map<std::string, uint64_t>> counts;  // "put_api_requests", "drive_count"
};

EngineApi::EngineApi(Hypervisor& hypervisor, Identity identity)
    : impl_(std::make_unique<Impl>(hypervisor, std::move(identity))) {}

EngineApi::~EngineApi() = default;

HttpResponse EngineApi::handle(const HttpRequest& request) {
  if (request.method == "DELETE" && !features(impl_->identity.version).hotplug)
    return unknown_method_response();
  try {
    HttpResponse response = impl_->dispatch(parse_call(request, impl_->identity.version));
    impl_->count(request, response.status >= 400);
    return response;
  } catch (const Error& error) {
    impl_->count(request, true);
    log(fmt::format("{} {} refused: {}", request.method, printable(request.target), printable(error.what())));
    return fault_response(error.what());
  }
}

void EngineApi::apply_config_file(const std::string& text) {
  const Json config = parse_json(text, "the configuration file", Code::kInvalidArgument);
  if (!config.is_object()) refuse("the configuration file is not a JSON object");
  const auto put = [&](const std::string& path, const Json& body) {
    impl_->dispatch(parse_call({"PUT", path, dump_json(body)}, impl_->identity.version));
  };
  const auto name_of = [](const Json& device, const char* key) {
    return JsonReader(device, "the configuration file", Code::kInvalidArgument).string(key);
  };
  for (const auto& [section, body] : config.items()) {
    if (body.is_null()) continue;
    const bool drives = section == "drives";
    if (!drives && section != "network-interfaces")
      put("/" + section, body);
    else if (!body.is_array())
      refuse(fmt::format("'{}' in the configuration file is not a list", section));
    else
      for (const Json& device : body)
        put(fmt::format("/{}/{}", section, name_of(device, drives ? "drive_id" : "iface_id")), device);
  }
  impl_->act("InstanceStart");
}

void EngineApi::set_logger(const std::string& path, const std::string& level) {
  Json body = Json::object();
  if (!path.empty()) body["log_path"] = path;
  if (!level.empty()) body["level"] = level;
  impl_->dispatch(parse_call({"PUT", "/logger", dump_json(body)}, impl_->identity.version));
}

void EngineApi::set_metrics(const std::string& path) {
  impl_->put_metrics(Json{{"metrics_path", path}});
}

void EngineApi::log(const std::string& line) {
  impl_->log(line);
}

std::string EngineApi::state() const {
  return impl_->state_name();
}

const VmSetup& EngineApi::setup() const {
  return impl_->setup;
}

bool EngineApi::load_failed() const {
  return impl_->load_failed;
}

}  // namespace knaller::firecracker
