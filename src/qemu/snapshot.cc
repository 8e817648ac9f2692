// Saving and loading. A state file holds what machine it was and QEMU's device stream; the memory file holds
// guest memory raw.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "memory/guest_memory.h"
#include "qemu/devices.h"
#include "qemu/hypervisor.h"

namespace knaller::qemu {

using firecracker::LoadRequest;
using firecracker::SnapshotCreate;
using firecracker::SnapshotType;
using firecracker::VmSetup;

namespace {

constexpr auto kPatience = std::chrono::seconds(120);
constexpr const char* kStream = "devices";  // QEMU's name of the descriptor that a stream goes through
constexpr int kStreamSet = 1;

constexpr std::string_view kStateRefusal = "Failed to get snapshot state from file: ";

UniqueFd make_stream() {
  UniqueFd stream(::memfd_create("knaller-devices", MFD_CLOEXEC));
  if (!stream) fail_errno("make a file in memory");
  return stream;
}

std::string content_of(int stream) {
  // QEMU may have made it of any length.
  const uint64_t size = file_size(stream);
  if (size > kStateFileLimit) fail(Code::kExhausted, "QEMU's state is too large");
  std::string bytes(size, '\0');
  in_context([] { return std::string("read QEMU's state"); },
             [&] { read_at(stream, bytes.data(), bytes.size(), 0); });
  return bytes;
}

State read_state(const std::string& path) {
  const UniqueFd file = firecracker::open_saved_state(path);
  return in_context([] { return std::string("Failed to get snapshot state from file"); },
                    [&] { return decode_state(read_to_end(file.get(), kStateFileLimit, "the state file")); });
}

// "7.2.22" and "7.2.1" are one: Debian's updates keep the devices' state as it is.
std::string_view series(std::string_view version) {
  return version.substr(0, version.rfind('.'));
}

}  // namespace

VmSetup QemuHypervisor::load(const LoadRequest& request) {
  const State state = read_state(request.state_path);
  MachinePlan plan;
  plan.setup = firecracker::restored_setup(state.setup, request);
  plan.setup.serial_out_path = request.serial_out_path;  // the one of the saved VM is not ours
  plan.incoming = true;
  check(plan.setup);
  check_host(state);
  if (request.clock_realtime)
    log_("clock_realtime: QEMU does not move a guest's clock on; set it from inside.");
  const VmSetup setup = plan.setup;
  UniqueFd memory = firecracker::open_saved_memory(request.memory_path, setup.memory_mib << 20);
  in_context([] { return std::string("Failed to build microVM from snapshot"); },
             [&] {
               launch(std::move(plan), std::move(memory));
               take_in(state);
             });
  log_(fmt::format("The microVM was loaded from '{}'.", printable(request.state_path)));
  return setup;
}

// A state fits the kind of CPU it was saved on, so the accelerator is not a choice here.
void QemuHypervisor::check_host(const State& state) {
  const Accelerator needed =
      state.accelerator == to_string(Accelerator::kKvm) ? Accelerator::kKvm : Accelerator::kTcg;
  if (options_.accelerator.value_or(needed) != needed) {
    fail(Code::kUnsupported, "{}it was saved with the accelerator {}, and {} was asked for", kStateRefusal,
         state.accelerator, to_string(*options_.accelerator));
  }
  if (needed == Accelerator::kKvm && !is_kvm_usable()) {
    fail(Code::kUnsupported, "{}it was saved under KVM, which is not usable here", kStateRefusal);
  }
  options_.accelerator = needed;
  tsc_khz_ = state.tsc_khz;
  if (needed == Accelerator::kKvm) return;
  // An emulated guest counts the host's ticks: elsewhere its clock would run fast or slow for ever.
  const auto here = static_cast<double>(tsc_.khz(std::chrono::milliseconds(2)));
  const auto there = static_cast<double>(state.tsc_khz);
  if (std::abs(here - there) > there / 100) {
    fail(Code::kUnsupported,
         "{}its guest counts time with {:.0f} kHz, and this host's counter runs at {:.0f} kHz", kStateRefusal,
         there, here);
  }
}

void QemuHypervisor::take_in(const State& state) {
  const std::string& here = process_->qmp().version();
  if (series(state.qemu_version) != series(here)) {
    fail(Code::kUnsupported, "the state was saved by QEMU {}, this is QEMU {}", state.qemu_version, here);
  }
  check_devices(state.devices);
  const UniqueFd stream = make_stream();
  write_all(stream.get(), state.devices, "QEMU's state");
  if (::lseek(stream.get(), 0, SEEK_SET) != 0) fail_errno("rewind QEMU's state");
  try {
    command("getfd", {{"fdname", kStream}}, stream.get());
    command("migrate-incoming", {{"uri", fmt::format("fd:{}", kStream)}});
    process_->qmp().await_migration(Deadline::after(kPatience));
  } catch (const Error& error) {
    // QEMU ends when it cannot load a state, and says why on standard error.
    if (error.code() != Code::kEngineDied) throw;
    process_->finish();
    fail(Code::kCorrupt, "QEMU refused the state: {}", process_->last_words());
  }
  devices_ = state.devices;
}

void QemuHypervisor::save(const VmSetup& setup, const SnapshotCreate& request) {
  VmSetup saved = setup;
  for (size_t i = 0; i < saved.network.size(); ++i) saved.network[i].guest_mac = plan_->macs[i];
  const UniqueFd state = firecracker::create_state_file(request.state_path);
  write_all(state.get(),
            encode_state({.setup = firecracker::setup_to_json(saved),
                          .accelerator = std::string(to_string(plan_->accelerator)),
                          .qemu_version = process_->qmp().version(),
                          .tsc_khz = tsc_khz_,
                          .devices = save_devices()}),
            "the state file");
  refuse_own_memory(request.memory_path);
  const UniqueFd memory = firecracker::create_memory_file(request.memory_path, setup.memory_mib << 20);
  write_memory(memory.get(), request.type);
  // Only now: who asks for the state alone (a directory as memory path) copies it out and makes the copy
  // durable.
  fsync_fd(state.get(), "the state file");
  fsync_fd(memory.get(), "the memory file");
  log_(fmt::format("The microVM was saved to '{}'.", printable(request.state_path)));
}

std::string QemuHypervisor::save_devices() {
  devices_ = devices_.empty() ? migrate_devices() : join_devices(devices_, save_devices_alone());
  return devices_;
}

// The first time, after a boot: shared memory is left out of the stream. QEMU is done with its images
// afterwards and takes them up again on `cont`.
std::string QemuHypervisor::migrate_devices() {
  const UniqueFd stream = make_stream();
  command("getfd", {{"fdname", kStream}}, stream.get());
  command("migrate", {{"uri", fmt::format("fd:{}", kStream)}});
  images_idle_ = true;
  process_->qmp().await_migration(Deadline::after(kPatience));
  return content_of(stream.get());
}

std::string QemuHypervisor::save_devices_alone() {
  const UniqueFd stream = make_stream();
  const UniqueFd write_only = open_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", stream.get()), O_WRONLY);
  command("add-fd", {{"fdset-id", kStreamSet}}, write_only.get());
  // live: with true, the default, QEMU would give up its images, and a second save would abort it (7.2).
  command("xen-save-devices-state",
          {{"filename", fmt::format("/dev/fdset/{}", kStreamSet)}, {"live", false}});
  command("remove-fd", {{"fdset-id", kStreamSet}});
  return content_of(stream.get());
}

// Truncating or overwriting it would kill or confuse this VM and all others that were restored from it.
void QemuHypervisor::refuse_own_memory(const std::string& path) {
  struct stat asked = {};
  struct stat own = {};
  if (::stat(path.c_str(), &asked) != 0 || ::fstat(memory_.get(), &own) != 0) return;
  if (asked.st_dev == own.st_dev && asked.st_ino == own.st_ino) {
    fail(Code::kInvalidArgument, "The microVM runs on the memory file '{}'; choose another mem_file_path",
         path);
  }
}

void QemuHypervisor::write_memory(int to, SnapshotType type) {
  const uint64_t bytes = plan_->setup.memory_mib << 20;
  const Deadline deadline = Deadline::never();
  const bool merge = type == SnapshotType::kDiff && plan_->incoming;
  // What an old file of the same name holds is not of this VM.
  if (!merge && ::ftruncate(to, 0) != 0) fail_errno("empty the memory file");
  if (!plan_->incoming) {
    copy_sparse(memory_.get(), to, bytes, deadline);
    return;
  }
  const auto guest = memory::GuestMemory::find(memory::pid_in_proc(process_->pidfd()), bytes, memory_.get());
  if (!guest) fail(Code::kInternal, "QEMU's guest memory was not found in process {}", process_->pid());
  if (!merge) {
    const auto changed = guest->copy_changed(to, deadline);
    memory::fill_unchanged(memory_.get(), to, bytes, changed, deadline);
    return;
  }
  const UniqueFd pages = make_stream();
  for (const Extent& extent : guest->copy_changed(pages.get(), deadline)) punch_hole(to, extent);
  memory::fill_unchanged(pages.get(), to, bytes, {}, deadline);
}

}  // namespace knaller::qemu
