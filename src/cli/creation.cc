#include "cli/creation.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/limits.h"

namespace knaller::cli {
namespace {

std::vector<PortForward> port_forwards(const Invocation& args) {
  std::vector<PortForward> ports;
  for (const PortForward& port : args.all<PortForward>("port")) {
    const auto same = [&port](const PortForward& other) {
      return port.host != 0 && other.host == port.host && other.protocol == port.protocol;
    };
    if (std::any_of(ports.begin(), ports.end(), same))
      fail(Code::kInvalidArgument,
           "--port: host port {} is given twice; it can be forwarded once, on one address", port.host);
    ports.push_back(port);
  }
  return ports;
}

NetworkMode network_mode(std::string_view word) {
  return word == "none" ? NetworkMode::kNone : NetworkMode::kRootless;
}

// The list that takes the place of the one before; `none` is an empty one.
std::optional<std::vector<EgressRule>> rules(const std::vector<RuleOrNone>& given, std::string_view flag) {
  if (given.empty()) return std::nullopt;
  std::vector<EgressRule> rules;
  for (const RuleOrNone& rule : given) {
    if (rule)
      rules.push_back(*rule);
    else if (given.size() > 1)
      throw Error(
          Code::kInvalidArgument, fmt::format("{} none was given, and others beside it", flag),
          fmt::format("leave it out: those that are given with {} take the place of all that there were",
                      flag));
  }
  return rules;
}

OnReboot on_reboot(const Invocation& args) {
  return args.text("on-reboot") == "stop" ? OnReboot::kStop : OnReboot::kRestart;
}

std::string program_path(const std::string& text, const std::string& origin) {
  const std::string path =
      text.find('/') == std::string::npos ? find_program(text) : absolute_path(text, std::getenv("HOME"));
  if (path.empty() || ::access(path.c_str(), X_OK) != 0)
    throw Error(Code::kNotFound, fmt::format("{}: there is no program '{}'", origin, printable(text)),
                "give the path of one, or leave it out");
  return path;
}

// As in the Go program, the one that is not given is that of the home. What is booted without any of both is
// the library's choice.
void complete_files(Context& context, VmOptions& vm) {
  if (vm.kernel.empty() && vm.rootfs.empty()) return;
  if (vm.kernel.empty()) vm.kernel = context.manager().home() + "/vmlinux";
  if (vm.rootfs.empty()) vm.rootfs = context.manager().home() + "/rootfs.ext4";
}

VmOptions vm_options(const Context& context) {
  const Invocation& args = context.args();
  const Settings& settings = context.settings();
  VmOptions vm;
  vm.kernel = args.text("kernel");
  vm.rootfs = args.text("rootfs");
  vm.initrd = args.text("initrd");
  if (vm.kernel.empty() && vm.rootfs.empty()) vm.image = settings.text("image");
  vm.kernel_args = args.text("kernel-args");
  LimitChanges limits = limit_changes(args);
  if (const auto milli = settings.get<int64_t>("cpus")) {
    limits.milli_cpus = static_cast<uint32_t>(*milli);
    vm.vcpus = (*limits.milli_cpus + 999) / 1000;  // so many that they could use the time that they may
  }
  vm.limits = limits_of(limits);
  if (const auto mib = settings.get<int64_t>("mem")) vm.memory_mib = static_cast<uint64_t>(*mib);
  if (const auto mib = settings.get<int64_t>("disk")) vm.disk_mib = static_cast<uint64_t>(*mib);
  vm.network = network_mode(settings.text("network"));
  vm.ports = port_forwards(args);
  const EgressChanges egress = egress_changes(args);
  vm.egress = {.mode = egress.mode.value_or(EgressMode::kInternet),
               .allow = egress.allow.value_or(std::vector<EgressRule>()),
               .deny = egress.deny.value_or(std::vector<EgressRule>())};
  vm.on_reboot = on_reboot(args);
  vm.engine = engine_choice(context);
  return vm;
}

}  // namespace

bool has_creation_flags(const Invocation& args) {
  const auto& flags = args.command->flags;
  return std::any_of(flags.begin(), flags.end(),
                     [&args](const Flag& flag) { return flag.creates && args.has(flag.name); }) ||
         // A limit of 0 configures nothing: the Go program's scripts give it to VMs that are there, too.
         limits_of(limit_changes(args)) != Limits{};
}

EgressChanges egress_changes(const Invocation& args) {
  EgressChanges changes{.allow = rules(args.all<RuleOrNone>("allow"), "--allow"),
                        .deny = rules(args.all<RuleOrNone>("deny"), "--deny")};
  if (args.has("egress")) changes.mode = parse_egress_mode(args.text("egress"));
  return changes;
}

EngineChoice engine_choice(const Context& context) {
  const Invocation& args = context.args();
  if (args.knows("firecracker") && args.has("firecracker"))
    return {EngineKind::kFirecracker, program_path(args.text("firecracker"), "--firecracker")};
  const std::string engine = context.settings().text("engine");
  if (engine.empty() || engine == "auto") return {};
  if (engine == "firecracker") return {EngineKind::kFirecracker, ""};
  if (engine == "qemu") return {EngineKind::kQemu, ""};
  const std::string path = program_path(engine, context.settings().origin("engine"));
  const bool qemu = path.substr(path.rfind('/') + 1) == "knaller-qemu";
  return {qemu ? EngineKind::kQemu : EngineKind::kFirecracker, path};
}

WaitOptions wait_options(const Context& context) {
  const Invocation& args = context.args();
  WaitOptions wait;
  wait.ready = !(args.knows("no-wait") && args.has("no-wait"));
  if (const auto timeout = context.settings().get<std::chrono::milliseconds>("wait_timeout"))
    wait.timeout = *timeout;
  return wait;
}

void read_capture_settings(const Context& context, std::chrono::milliseconds& max_pause,
                           CaptureWay& capture) {
  const Settings& settings = context.settings();
  if (const auto longest = settings.get<std::chrono::milliseconds>("max_pause")) max_pause = *longest;
  const std::string word = settings.text("capture");
  for (const CaptureWay way : {CaptureWay::kAuto, CaptureWay::kOutside, CaptureWay::kEngine})
    if (word == to_string(way)) capture = way;
}

RestoreOptions restore_options(const Context& context, const std::string& snapshot, const std::string& name) {
  const Invocation& args = context.args();
  RestoreOptions restore;
  restore.name = name;
  restore.snapshot = snapshot;
  if (args.has("port")) restore.ports = port_forwards(args);
  restore.trust_ports = args.has("trust-ports");
  if (args.has("network")) restore.network = network_mode(args.text("network"));
  restore.egress = egress_changes(args);
  restore.limits = limit_changes(args);
  restore.engine = engine_choice(context);
  restore.force = args.has("force");
  restore.verify = args.has("verify");
  restore.disk_only = args.has("disk-only");
  return restore;
}

Started start_new(Context& context, const std::string& name, bool tie) {
  if (!name.empty()) check_vm_name(name);
  StartOptions options{.wait = wait_options(context), .tie = tie, .stop = context.stop()};
  Started started;
  if (context.args().has("from-snapshot")) {
    const std::string snapshot = context.args().text("from-snapshot");
    const RestoreOptions restore = restore_options(context, snapshot, name);
    suggest_snapshot(context, snapshot, [&] { started = context.manager().restore(restore, options); });
    return started;
  }
  VmOptions vm = vm_options(context);
  vm.name = name;
  complete_files(context, vm);
  suggest_image(context, vm.image, [&] { started = context.manager().start(vm, options); });
  return started;
}

}  // namespace knaller::cli
