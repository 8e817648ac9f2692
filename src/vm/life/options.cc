#include "vm/life/options.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "net/egress.h"
#include "store/fields.h"
#include "store/limits.h"
#include "store/names.h"
#include "vm/life/ports.h"

namespace knaller::vm {
namespace {

constexpr uint64_t kLeastMemoryMib = 32;
constexpr size_t kLongestKernelArgs = 1024;  // of the 2048 bytes that Firecracker allows for the whole line

void check_machine(const VmOptions& vm) {
  if (vm.vcpus < 1 || vm.vcpus > static_cast<uint32_t>(store::kMostVcpus))
    fail(Code::kInvalidArgument, "{} CPUs: a VM can have 1 to {}", vm.vcpus, store::kMostVcpus);
  if (vm.memory_mib < kLeastMemoryMib || vm.memory_mib > static_cast<uint64_t>(store::kMostMemoryMib))
    fail(Code::kInvalidArgument, "{} MiB of memory: a VM can have {} to {}", vm.memory_mib, kLeastMemoryMib,
         store::kMostMemoryMib);
  constexpr uint64_t kMostDiskMib = uint64_t{16} << 20;
  if (vm.disk_mib > kMostDiskMib)
    fail(Code::kInvalidArgument, "a disk of {} MiB: at most {} are possible", vm.disk_mib, kMostDiskMib);
}

void check_guest(const VmOptions& vm) {
  if (!vm.image.empty() && (!vm.kernel.empty() || !vm.rootfs.empty()))
    throw Error(Code::kInvalidArgument, "an image and a kernel or root file system were given",
                "use either --image, or --kernel and --rootfs");
  if (vm.kernel.empty() != vm.rootfs.empty())
    throw Error(Code::kInvalidArgument, "a kernel and a root file system belong together",
                "give --kernel and --rootfs");
  if (vm.kernel.empty() && !vm.initrd.empty())
    throw Error(Code::kInvalidArgument, "an initrd needs a kernel and a root file system",
                "give --kernel and --rootfs");
  if (vm.kernel_args.size() > kLongestKernelArgs)
    fail(Code::kInvalidArgument, "the kernel arguments have {} bytes, {} are possible", vm.kernel_args.size(),
         kLongestKernelArgs);
  const bool plain =
      std::all_of(vm.kernel_args.begin(), vm.kernel_args.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (!plain)
    fail(Code::kInvalidArgument, "the kernel arguments '{}' hold more than printable ASCII",
         printable(vm.kernel_args));
}

void check_egress(const VmOptions& vm) {
  if (vm.network == NetworkMode::kNone && vm.egress != Egress{})
    throw Error(Code::kInvalidArgument, "without a network there is nothing that a guest could reach",
                "leave out --network none, or --egress, --allow and --deny");
  net::check_egress(vm.egress);
}

void check_limits(const VmOptions& vm) {
  store::check_limits(vm.limits);
  if (vm.network == NetworkMode::kNone && vm.limits.network_bandwidth.per_second != 0)
    throw Error(Code::kInvalidArgument, "without a network there is no bandwidth to limit",
                "leave out --network none, or --network-bandwidth");
  Limits limits = vm.limits;
  store::settle_cpus(limits, vm.vcpus);
}

void check_ports(const VmOptions& vm) {
  if (vm.network == NetworkMode::kNone && !vm.ports.empty())
    throw Error(Code::kInvalidArgument, "ports can't be forwarded without a network",
                "leave out --network none");
  for (size_t i = 0; i < vm.ports.size(); ++i) {
    if (vm.ports[i].guest == 0) fail(Code::kInvalidArgument, "a guest's port can't be 0");
    for (size_t j = 0; j < i; ++j)
      if (is_same_listener(vm.ports[i], vm.ports[j]))
        fail(Code::kInvalidArgument, "host port {} is given twice", vm.ports[i].host);
  }
}

}  // namespace

void check_options(const VmOptions& vm) {
  if (!vm.name.empty()) store::Name::parse(vm.name);
  if (!vm.image.empty()) store::Name::parse(vm.image, "image name");
  check_machine(vm);
  check_guest(vm);
  check_ports(vm);
  check_egress(vm);
  check_limits(vm);
}

}  // namespace knaller::vm
