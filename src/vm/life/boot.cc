#include "vm/life/boot.h"

#include <fmt/format.h>

#include <algorithm>

#include "channel/link_plan.h"
#include "engine/engine_family.h"
#include "image/kernel_args.h"
#include "net/control_link.h"
#include "store/layout.h"
#include "vm/home/layout.h"
#include "vm/life/limiters.h"

namespace knaller::vm {
namespace {

std::string netmask_of(int prefix) {
  const uint32_t mask = prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix);
  return fmt::format("{}.{}.{}.{}", mask >> 24, (mask >> 16) & 255, (mask >> 8) & 255, mask & 255);
}

net::Plan plan_with(const store::VmRecord& record, std::vector<PortForward> ports) {
  net::Plan plan = record.network_of.empty() ? net::standard_plan(std::move(ports))
                                             : net::go_plan(record.network_of, std::move(ports));
  plan.egress = record.egress;
  if (!engine::family_of(record.engine).limits_network()) plan.bandwidth = record.limits.network_bandwidth;
  return plan;
}

std::string own_image_args(const store::VmRecord& record, const GuestArgs& guest) {
  image::KernelArgs args{.overlay = record.has_base,
                         .hostname = record.name,
                         .public_key = guest.ssh_key,
                         .extra = guest.extra_args};
  if (const auto plan = network_plan(record))
    args.network = {
        .address = plan->guest_address, .prefix = plan->prefix, .gateway = plan->gateway, .dns = plan->dns};
  return image::kernel_arguments(args);
}

// A guest of the user's own: the kernel's ip= is all that can be told to any of them. reboot=k: a guest ends
// on Firecracker by resetting through the i8042, the one way that it has.
std::string foreign_guest_args(const store::VmRecord& record, const GuestArgs& guest) {
  std::string args = "console=ttyS0 reboot=k panic=-1";
  if (const auto plan = network_plan(record))
    args += fmt::format(" net.ifnames=0 ip={}::{}:{}::eth0:off:{}", plan->guest_address, plan->gateway,
                        netmask_of(plan->prefix), plan->dns);
  return guest.extra_args.empty() ? args : args + " " + guest.extra_args;
}

// Records of earlier versions hold a word that was right for emulated processors only, just before knaller's
// own words. The engine knows what runs the guest, and adds it where it belongs.
std::string without_old_words(const std::string& boot_args) {
  const std::string old = " mitigations=off";
  const size_t own = boot_args.find(old + " knaller.root=");
  return own == std::string::npos ? boot_args : std::string(boot_args).erase(own, old.size());
}

}  // namespace

std::optional<net::Plan> network_plan(const store::VmRecord& record) {
  if (record.network == NetworkMode::kNone) return std::nullopt;
  return plan_with(record, record.ports);
}

std::optional<net::Plan> device_plan(const store::VmRecord& record) {
  if (record.network == NetworkMode::kNone && record.network_device) return plan_with(record, {});
  return network_plan(record);
}

std::string boot_args(const store::VmRecord& record, const GuestArgs& guest) {
  return record.guest_protocol > 0 ? own_image_args(record, guest) : foreign_guest_args(record, guest);
}

std::string with_hostname(const std::string& boot_args, const std::string& hostname) {
  const std::string key = " knaller.hostname=";
  const size_t begin = boot_args.find(key);
  if (begin == std::string::npos) return boot_args;
  const size_t end = std::min(boot_args.find(' ', begin + 1), boot_args.size());
  return boot_args.substr(0, begin) + key + hostname + boot_args.substr(end);
}

std::vector<firecracker::Request> boot_requests(const store::VmRecord& record) {
  std::vector<firecracker::Request> requests;
  requests.push_back(
      firecracker::put_machine_config({.vcpus = record.vcpus, .memory_mib = record.memory_mib}));
  requests.push_back(firecracker::put_boot_source(
      {.kernel_image_path = layout::kKernel,
       .initrd_path = record.has_initrd ? std::optional<std::string>(layout::kInitrd) : std::nullopt,
       .boot_args = without_old_words(record.boot_args)}));
  const auto limiter = drive_limiter(record.limits);
  if (record.has_base) {
    requests.push_back(firecracker::put_drive(
        {.id = "base", .path = layout::kBase, .root = true, .read_only = true, .rate_limiter = limiter}));
    requests.push_back(
        firecracker::put_drive({.id = "disk", .path = layout::kDisk, .rate_limiter = limiter}));
  } else {
    requests.push_back(firecracker::put_drive(
        {.id = "rootfs", .path = layout::kRootfs, .root = true, .rate_limiter = limiter}));
  }
  if (const auto plan = device_plan(record)) {
    const auto network =
        engine::family_of(record.engine).limits_network() ? network_limiter(record.limits) : std::nullopt;
    requests.push_back(firecracker::put_network_interface({.id = kNetworkId,
                                                           .host_device = plan->tap,
                                                           .guest_mac = plan->guest_mac,
                                                           .rx_rate_limiter = network,
                                                           .tx_rate_limiter = network}));
  }
  if (record.has_agent)
    requests.push_back(firecracker::put_network_interface(
        {.id = kControlId, .host_device = net::kControlTap, .guest_mac = channel::kGuestMac}));
  requests.push_back(firecracker::start_instance());
  return requests;
}

// Without clock_realtime: a state that was saved where the host's clock source is not the TSC lacks what it
// needs, and the load then fails (Firecracker 1.16). The guest's helper sets the clock instead.
//
// A state holds the limiters that it was saved with: others are set before the guest takes its first step.
std::vector<firecracker::Request> load_requests(const firecracker::Version& version,
                                                const store::VmRecord& record, const Limits& saved) {
  const bool as_saved = same_limiters(record.limits, saved);
  std::vector<firecracker::Request> requests{firecracker::load_snapshot(
      {.state_path = layout::kParentState, .memory_path = layout::kParentMemory, .resume = as_saved},
      version)};
  if (as_saved) return requests;
  for (firecracker::Request& request : limiter_requests(record)) requests.push_back(std::move(request));
  requests.push_back(firecracker::set_state(firecracker::VmState::kResumed));
  return requests;
}

}  // namespace knaller::vm
