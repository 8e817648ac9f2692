#include "cli/creation.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

constexpr std::array<std::string_view, 22> kCreationFlags{
    "image",  "cpus",        "mem",         "disk",   "port",   "network", "from-snapshot", "disk-only",
    "force",  "check",       "verify",      "kernel", "rootfs", "initrd",  "kernel-args",   "on-reboot",
    "engine", "firecracker", "trust-ports", "egress", "allow",  "deny"};
constexpr std::array<std::string_view, 3> kLimits{"network-bandwidth", "disk-bandwidth", "disk-iops"};
// Fixed by a snapshot.
constexpr std::array<std::string_view, 9> kNotWithSnapshot{
    "image", "cpus", "mem", "disk", "kernel", "rootfs", "initrd", "kernel-args", "on-reboot"};
constexpr std::array<std::string_view, 5> kOnlyWithSnapshot{"disk-only", "force", "check", "verify",
                                                            "trust-ports"};

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(expand_tilde(path, ::getenv)).lexically_normal().string();
}

std::vector<PortForward> port_forwards(const Invocation& args) {
  std::vector<PortForward> ports;
  for (const std::string& text : args.all("port")) {
    const PortForward port = parse_port(text);
    const auto same = [&port](const PortForward& other) {
      return port.host != 0 && other.host == port.host && other.protocol == port.protocol &&
             (other.address == port.address || other.address == "0.0.0.0" || port.address == "0.0.0.0");
    };
    if (std::any_of(ports.begin(), ports.end(), same))
      fail(Code::kInvalidArgument, "--port {}: host port {} is given twice", printable(text), port.host);
    ports.push_back(port);
  }
  return ports;
}

std::vector<EgressRule> egress_rules(const Invocation& args, std::string_view flag) {
  std::vector<EgressRule> rules;
  for (const std::string& text : args.all(flag)) {
    in_context([flag] { return fmt::format("--{}", flag); },
               [&] { rules.push_back(parse_egress_rule(text)); });
  }
  return rules;
}

NetworkMode network_mode(const Setting& setting) {
  if (setting.text == "rootless") return NetworkMode::kRootless;
  if (setting.text == "none") return NetworkMode::kNone;
  throw Error(Code::kInvalidArgument,
              fmt::format("{}: '{}' is no kind of network", setting.origin, printable(setting.text)),
              "there are: rootless, none");
}

OnReboot on_reboot(const Invocation& args) {
  const std::string text = args.value("on-reboot").value_or("restart");
  if (text == "restart") return OnReboot::kRestart;
  if (text == "stop") return OnReboot::kStop;
  fail(Code::kInvalidArgument, "--on-reboot: '{}' is neither restart nor stop", printable(text));
}

std::string program_path(const std::string& text, const std::string& origin) {
  const std::string path = text.find('/') == std::string::npos ? find_program(text) : absolute(text);
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

// "100", "1.5": digits with at most one point among them.
bool is_decimal(const std::string& text) {
  return text.find_first_of("0123456789") != std::string::npos &&
         text.find_first_not_of("0123456789.") == std::string::npos &&
         std::count(text.begin(), text.end(), '.') <= 1;
}

}  // namespace

void refuse_limits(const Invocation& args) {
  for (const std::string_view limit : kLimits) {
    const auto value = args.value(limit);
    if (!value) continue;
    if (!is_decimal(*value))
      fail(Code::kInvalidArgument, "--{}: '{}' is no number", limit, printable(*value));
    if (value->find_first_not_of("0.") == std::string::npos) continue;
    throw Error(Code::kUnsupported, fmt::format("--{}: this limit is not enforced yet", limit),
                "leave it out; the VM then has no such limit");
  }
}

bool has_creation_flags(const Invocation& args) {
  return std::any_of(kCreationFlags.begin(), kCreationFlags.end(),
                     [&args](auto flag) { return args.has(flag); });
}

std::optional<Egress> egress(const Invocation& args) {
  if (!args.has("egress") && !args.has("allow") && !args.has("deny")) return std::nullopt;
  Egress egress;
  if (const auto mode = args.value("egress"))
    in_context([] { return std::string("--egress"); }, [&] { egress.mode = parse_egress_mode(*mode); });
  egress.allow = egress_rules(args, "allow");
  egress.deny = egress_rules(args, "deny");
  return egress;
}

EngineChoice engine_choice(const Context& context) {
  if (const auto path = context.args().value("firecracker"))
    return {EngineKind::kFirecracker, program_path(*path, "--firecracker")};
  const auto setting = context.settings().get("engine");
  if (!setting || setting->text == "auto") return {};
  if (setting->text == "firecracker") return {EngineKind::kFirecracker, ""};
  if (setting->text == "qemu") return {EngineKind::kQemu, ""};
  if (setting->text.find('/') == std::string::npos)
    throw Error(Code::kInvalidArgument,
                fmt::format("{}: '{}' is no engine", setting->origin, printable(setting->text)),
                "there are: auto, firecracker, qemu, or the path of a program (with a slash in it)");
  const std::string path = program_path(setting->text, setting->origin);
  const bool qemu = path.substr(path.rfind('/') + 1) == "knaller-qemu";
  return {qemu ? EngineKind::kQemu : EngineKind::kFirecracker, path};
}

WaitOptions wait_options(const Context& context) {
  WaitOptions wait;
  wait.ready = !context.args().has("no-wait");
  if (const auto timeout = context.settings().duration("wait_timeout")) wait.timeout = *timeout;
  return wait;
}

VmOptions vm_options(const Context& context) {
  const Invocation& args = context.args();
  const Settings& settings = context.settings();
  refuse_limits(args);
  for (const std::string_view flag : kOnlyWithSnapshot)
    if (args.has(flag))
      throw Error(Code::kInvalidArgument, fmt::format("--{} has a meaning with --from-snapshot only", flag));
  VmOptions vm;
  const auto file = [&args](std::string_view flag) {
    const auto path = args.value(flag);
    return path ? absolute(*path) : std::string();
  };
  vm.kernel = file("kernel");
  vm.rootfs = file("rootfs");
  vm.initrd = file("initrd");
  const bool files = !vm.kernel.empty() || !vm.rootfs.empty();
  if (files && args.has("image"))
    fail(Code::kInvalidArgument, "--image and --kernel or --rootfs exclude each other");
  if (!vm.initrd.empty() && !files)
    throw Error(Code::kInvalidArgument, "--initrd goes with --kernel and --rootfs");
  if (!files) vm.image = settings.text("image");
  vm.kernel_args = args.value("kernel-args").value_or("");
  vm.vcpus = settings.cpus().value_or(vm.vcpus);
  vm.memory_mib = settings.mebibytes("mem").value_or(vm.memory_mib);
  vm.disk_mib = settings.mebibytes("disk").value_or(vm.disk_mib);
  if (const auto network = settings.get("network")) vm.network = network_mode(*network);
  vm.ports = port_forwards(args);
  vm.egress = egress(args).value_or(Egress{});
  vm.on_reboot = on_reboot(args);
  vm.engine = engine_choice(context);
  return vm;
}

RestoreOptions restore_options(const Context& context, const std::string& snapshot, const std::string& name) {
  const Invocation& args = context.args();
  refuse_limits(args);
  for (const std::string_view flag : kNotWithSnapshot)
    if (args.has(flag))
      throw Error(Code::kInvalidArgument, fmt::format("--{} and --from-snapshot exclude each other", flag),
                  "a snapshot is started as it was taken");
  RestoreOptions restore;
  restore.name = name;
  restore.snapshot = snapshot;
  if (args.has("port")) restore.ports = port_forwards(args);
  restore.trust_ports = args.has("trust-ports");
  if (restore.ports && restore.trust_ports)
    fail(Code::kInvalidArgument, "--port and --trust-ports exclude each other");
  if (args.has("network")) restore.network = network_mode({*args.value("network"), "--network"});
  restore.egress = egress(args);
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
  if (const auto snapshot = context.args().value("from-snapshot")) {
    const RestoreOptions restore = restore_options(context, *snapshot, name);
    suggest_snapshot(context, *snapshot, [&] { started = context.manager().restore(restore, options); });
    return started;
  }
  VmOptions vm = vm_options(context);
  vm.name = name;
  complete_files(context, vm);
  suggest_image(context, vm.image, [&] { started = context.manager().start(vm, options); });
  return started;
}

}  // namespace knaller::cli
