// The state and memory files of a save and a load, opened as Firecracker does.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "firecracker/engine_setup.h"

namespace knaller::firecracker {
namespace {

constexpr std::string_view kStateRefused = "Failed to get snapshot state from file: ";
constexpr std::string_view kMemoryRefused =
    "Failed to load guest memory: Error creating guest memory from file: ";
// Firecracker's state ends with a checksum of this size; what is shorter is no state.
constexpr off_t kLeastStateSize = 8;

uint64_t size_of(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) fail_errno("look at a snapshot file");
  return static_cast<uint64_t>(status.st_size);
}

[[noreturn]] void refuse_file(std::string_view reason, std::string_view detail) {
  fail(Code::kInvalidArgument, "{}{}", reason, detail);
}

}  // namespace

UniqueFd create_state_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) refuse_file("Cannot perform open on the snapshot backing file: ", os_error(errno));
  return fd;
}

UniqueFd create_memory_file(const std::string& path, uint64_t memory_bytes) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) refuse_file("Cannot perform open on the memory backing file: ", os_error(errno));
  const uint64_t before = size_of(fd.get());
  if (before != memory_bytes && before != 0 && ::ftruncate(fd.get(), 0) != 0)
    refuse_file("Cannot perform ftruncate on the memory backing file: ", os_error(errno));
  if (::ftruncate(fd.get(), static_cast<off_t>(memory_bytes)) != 0)
    refuse_file("Cannot perform ftruncate on the memory backing file: ", os_error(errno));
  return fd;
}

UniqueFd open_saved_state(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) refuse_file(kStateRefused, "Failed to open snapshot file: " + os_error(errno));
  if (static_cast<off_t>(size_of(fd.get())) < kLeastStateSize)
    refuse_file(kStateRefused,
                "Failed to load snapshot state from file: IO Error: File too short to contain CRC");
  return fd;
}

UniqueFd open_saved_memory(const std::string& path, uint64_t memory_bytes) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) refuse_file(kMemoryRefused, "Failed to load guest memory: " + os_error(errno));
  if (size_of(fd.get()) < memory_bytes)
    refuse_file(
        kMemoryRefused,
        "Failed to restore guest memory: Total sum of memory regions exceeds largest possible file offset");
  return fd;
}

VmSetup restored_setup(const std::string& saved_setup, const LoadRequest& request) {
  VmSetup setup = setup_from_json(saved_setup);
  for (const NetworkOverride& other : request.network_overrides) {
    const auto known = std::find_if(setup.network.begin(), setup.network.end(),
                                    [&](const NetworkSetup& each) { return each.id == other.id; });
    if (known == setup.network.end()) refuse_file(kStateRefused, "Unknown Network Device.");
    known->host_device = other.host_device;
  }
  if (request.vsock_override && !setup.vsock) refuse_file(kStateRefused, "Unknown Vsock Device.");
  if (request.vsock_override) setup.vsock->uds_path = *request.vsock_override;
  open_saved_memory(request.memory_path, setup.memory_mib << 20);
  for (const DriveSetup& drive : setup.drives)
    if (const std::string error = backing_file_error(drive); !error.empty())
      refuse_file(
          "Failed to build microVM from snapshot: Failed to restore devices: Error restoring MMIO devices: "
          "Block: ",
          error);
  setup.track_dirty_pages = request.track_dirty_pages;
  return setup;
}

}  // namespace knaller::firecracker
