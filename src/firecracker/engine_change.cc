#include "firecracker/engine_change.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "firecracker/engine_setup.h"

namespace knaller::firecracker {
namespace {

constexpr uint32_t kMostVcpus = 32;
constexpr size_t kLongestBootArgs = 2047;
constexpr size_t kElfHeaderSize = 64;
constexpr std::string_view kBadKernel =
    "System configuration error: Cannot load kernel due to invalid memory configuration or invalid kernel "
    "image: "
    "Kernel Loader: failed to load ELF kernel image: Kernel Loader: ";

void check_readable(const std::string& path, std::string_view refusal) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) refuse(fmt::format("{}{}", refusal, os_error(errno)));
}

void check_machine(const VmSetup& setup) {
  if (setup.vcpus < 1 || setup.vcpus > kMostVcpus || (setup.smt && setup.vcpus > 1 && setup.vcpus % 2 != 0))
    refuse(
        "Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an "
        "even "
        "number if SMT is enabled.");
  if (setup.memory_mib == 0 || (setup.huge_pages != "None" && setup.memory_mib % 2 != 0))
    refuse(
        "Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page "
        "size.");
}

void put_boot_source(const Json& body, VmSetup& changed) {
  const BootSource source = boot_source_from(body);
  check_readable(source.kernel_image_path, "Boot source error: The kernel file cannot be opened: ");
  if (source.initrd_path)
    check_readable(
        *source.initrd_path,
        "Boot source error: The initrd file cannot be opened due to invalid path or invalid permissions. ");
  if (source.boot_args.size() > kLongestBootArgs)
    refuse("Boot source error: The kernel command line is invalid: Invalid cmdline capacity provided.");
  changed.boot_source = source;
}

void put_drive(const Json& body, VmSetup& changed) {
  const DriveSetup drive = drive_from(body);
  auto& drives = changed.drives;
  const auto another_root = [&](const DriveSetup& each) { return each.root && each.id != drive.id; };
  if (drive.root && std::any_of(drives.begin(), drives.end(), another_root))
    refuse("Drive config error: A root block device already exists!");
  constexpr std::string_view kRefused = "Drive config error: Unable to create the virtio block device: ";
  if (body.contains("socket")) refuse(fmt::format("{}vhost-user is not supported by this engine.", kRefused));
  if (!drive.path) refuse(fmt::format("{}Invalid block config.", kRefused));
  if (const std::string error = backing_file_error(drive); !error.empty())
    refuse(fmt::format("{}{}", kRefused, error));
  const auto same = [&](const DriveSetup& each) { return each.id == drive.id; };
  if (const auto it = std::find_if(drives.begin(), drives.end(), same); it != drives.end())
    *it = drive;
  else
    drives.push_back(drive);
  std::stable_partition(drives.begin(), drives.end(), [](const DriveSetup& each) { return each.root; });
}

void put_network(const Json& body, VmSetup& changed) {
  const NetworkSetup network = network_from(body);
  auto& networks = changed.network;
  const auto same_mac = [&](const NetworkSetup& each) {
    return each.id != network.id && network.guest_mac && each.guest_mac == network.guest_mac;
  };
  if (std::any_of(networks.begin(), networks.end(), same_mac))
    refuse(fmt::format("Network config error: The MAC address is already in use: {}", *network.guest_mac));
  const auto same = [&](const NetworkSetup& each) { return each.id == network.id; };
  if (const auto it = std::find_if(networks.begin(), networks.end(), same); it != networks.end())
    *it = network;
  else
    networks.push_back(network);
}

}  // namespace

void change_setup(const Call& call, VmSetup& changed) {
  switch (call.endpoint) {
    case Endpoint::kPutMachineConfig:
      reset_machine(changed);
      [[fallthrough]];
    case Endpoint::kPatchMachineConfig:
      change_machine(call.body, changed);
      return check_machine(changed);
    case Endpoint::kPutBootSource:
      return put_boot_source(call.body, changed);
    case Endpoint::kPutDrive:
      return put_drive(call.body, changed);
    case Endpoint::kPutNetwork:
      return put_network(call.body, changed);
    case Endpoint::kPutVsock:
      changed.vsock =
          VsockSetup{call.body.at("guest_cid").get<uint32_t>(), call.body.at("uds_path").get<std::string>()};
      return;
    case Endpoint::kPutBalloon:
      changed.balloon = balloon_from(call.body);
      return;
    default:
      changed.entropy = true;
  }
}

void check_kernel(const std::string& path) {
  std::array<char, 0x206> start = {};
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const ssize_t size = fd ? ::read(fd.get(), start.data(), start.size()) : -1;
  if (size < static_cast<ssize_t>(kElfHeaderSize))
    refuse(fmt::format("{}Unable to read elf header", kBadKernel));
  const std::string_view bytes(start.data(), static_cast<size_t>(size));
  const bool elf = bytes.starts_with(
      "\x7f"
      "ELF");
  const bool bz_image = bytes.size() == start.size() && bytes.substr(0x202, 4) == "HdrS";
  if (!elf && !bz_image) refuse(fmt::format("{}Invalid Elf magic number", kBadKernel));
}

}  // namespace knaller::firecracker
