#include "fake_machine.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/page.h"

namespace knaller::fake {

using firecracker::DriveSetup;
using firecracker::VmSetup;

namespace {

constexpr uint64_t kRootPointerAddress = 0xE0000;
constexpr size_t kStateLimit = 1 << 20;
constexpr auto kReaction = std::chrono::milliseconds(1);

UniqueFd make_timer() {
  UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd) fail_errno("make a timer");
  return fd;
}

void set_timer(const UniqueFd& timer, std::chrono::milliseconds first, bool again) {
  itimerspec time = {};
  const auto count = std::chrono::nanoseconds(first).count();
  time.it_value = {count / 1'000'000'000, count % 1'000'000'000};
  if (count == 0) time.it_value.tv_nsec = 1;
  if (again) time.it_interval = time.it_value;
  if (::timerfd_settime(timer.get(), 0, &time, nullptr) != 0) fail_errno("set a timer");
}

void stop_timer(const UniqueFd& timer) {
  const itimerspec time = {};
  if (::timerfd_settime(timer.get(), 0, &time, nullptr) != 0) fail_errno("stop a timer");
}

void drain(const UniqueFd& timer) {
  uint64_t count = 0;
  if (::read(timer.get(), &count, sizeof count) < 0 && errno != EAGAIN) fail_errno("read a timer");
}

}  // namespace

FakeMachine::FakeMachine(Guest guest)
    : guest_(std::move(guest)),
      ready_timer_(make_timer()),
      tick_timer_(make_timer()),
      keyboard_(make_timer()) {}

FakeMachine::~FakeMachine() {
  unmap();
}

void FakeMachine::check(const VmSetup&) {}

void FakeMachine::start(const VmSetup& setup) {
  map(setup.memory_mib << 20, -1);
  std::memcpy(memory_ + kRootPointerAddress, "RSD PTR ", 8);
  std::copy(kMark.begin(), kMark.end(), memory_ + kMarkAddress);
  if (has_kernel()) std::memset(memory_ + kKernelAddress, 'k', kKernelBytes);
  open_devices(setup);
  do {
    print(guest_.boot);
  } while (guest_.loud);
  set_timer(ready_timer_, guest_.ready_after, false);
  running_ = true;
  let_run();
}

void FakeMachine::pause() {
  running_ = false;
  stop_timer(tick_timer_);
}

void FakeMachine::resume() {
  running_ = true;
  let_run();
}

void FakeMachine::let_run() {
  if (guest_.tick.count() > 0) set_timer(tick_timer_, guest_.tick, true);
  if (ctrl_alt_del_) set_timer(keyboard_, kReaction, false);
}

void FakeMachine::send_ctrl_alt_del() {
  ctrl_alt_del_ = true;
  // After the answer: the guest is not faster than the API.
  if (running_) set_timer(keyboard_, kReaction, false);
}

void FakeMachine::save(const VmSetup& setup, const firecracker::SnapshotCreate& request) {
  // Before anything is opened, as in Firecracker: the disk is as old as the memory.
  if (disk_) fsync_fd(disk_.get(), "disk");
  const UniqueFd state = firecracker::create_state_file(request.state_path);
  write_all(state.get(), firecracker::setup_to_json(setup), "state file");
  if (request.sync) fsync_fd(state.get(), "state file");
  const UniqueFd memory = firecracker::create_memory_file(request.memory_path, bytes_);
  write_memory(memory.get());
  if (request.sync) fsync_fd(memory.get(), "memory file");
}

VmSetup FakeMachine::load(const firecracker::LoadRequest& request) {
  const UniqueFd state = firecracker::open_saved_state(request.state_path);
  const VmSetup setup =
      firecracker::restored_setup(read_to_end(state.get(), kStateLimit, "state file"), request);
  memory_file_ = firecracker::open_saved_memory(request.memory_path, setup.memory_mib << 20);
  map(setup.memory_mib << 20, memory_file_.get());
  open_devices(setup);
  announced_ = true;
  return setup;
}

void FakeMachine::change_drive(const DriveSetup& drive, bool new_path) {
  if (new_path && !drive.read_only) disk_ = open_at(AT_FDCWD, drive.path.value_or(""), O_RDWR);
}

void FakeMachine::change_network(const firecracker::NetworkSetup&) {}

std::vector<firecracker::Watch> FakeMachine::watches() {
  const auto on_ready = [this] {
    drain(ready_timer_);
    // A paused guest says nothing; it will when it runs again.
    if (!running_)
      set_timer(ready_timer_, std::chrono::milliseconds(1), false);
    else if (!std::exchange(announced_, true))
      print(guest_.ready);
    return true;
  };
  const auto on_tick = [this] {
    drain(tick_timer_);
    if (running_) count();
    return true;
  };
  const auto on_keyboard = [this] {
    drain(keyboard_);
    return !running_ || react();
  };
  return {{ready_timer_.get(), on_ready}, {tick_timer_.get(), on_tick}, {keyboard_.get(), on_keyboard}};
}

bool FakeMachine::react() {
  ctrl_alt_del_ = false;
  if (guest_.on_ctrl_alt_del == "ignore") return true;
  if (guest_.on_ctrl_alt_del == "hesitate") {
    guest_.on_ctrl_alt_del = "poweroff";
    return true;
  }
  if (guest_.on_ctrl_alt_del == "halt") {
    stop_timer(tick_timer_);
    print("[    9.000000] reboot: System halted\n");
    return true;
  }
  if (guest_.on_ctrl_alt_del == "claim") {
    print("[    9.000000] reboot: System halted\n");
    return true;
  }
  if (guest_.on_ctrl_alt_del == "panic") {
    print("[    9.000000] Kernel panic - not syncing: fake\n");
    return false;
  }
  if (guest_.on_ctrl_alt_del == "poweroff") print("knaller: poweroff\n");
  print("[    9.000000] reboot: Restarting system\n");
  return false;
}

void FakeMachine::count() {
  uint64_t counter = 0;
  std::memcpy(&counter, memory_ + kCounterAddress, sizeof counter);
  ++counter;
  std::memcpy(memory_ + kCounterAddress, &counter, sizeof counter);
  if (disk_ && ::pwrite(disk_.get(), &counter, sizeof counter, kCounterOnDisk) != sizeof counter)
    fail_errno("write the fake guest's disk");
}

// A console that nobody reads, or that is gone, stops no guest.
void FakeMachine::print(const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
}

void FakeMachine::open_devices(const VmSetup& setup) {
  const auto writable = std::find_if(setup.drives.begin(), setup.drives.end(),
                                     [](const DriveSetup& drive) { return !drive.read_only && drive.path; });
  if (writable != setup.drives.end()) disk_ = open_at(AT_FDCWD, *writable->path, O_RDWR);
  if (!setup.network.empty()) tap_ = setup.network.front().host_device;
}

// The next that comes. Without a device, none does.
void FakeMachine::take_frame() {
  if (tap_.empty()) return;
  const UniqueFd tap = open_at(AT_FDCWD, "/dev/net/tun", O_RDWR);
  struct ifreq device = {};
  device.ifr_flags = IFF_TAP | IFF_NO_PI;
  tap_.copy(device.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(tap.get(), TUNSETIFF, &device) != 0) fail_errno("take the network device '{}'", tap_);
  char frame[2048];
  if (::read(tap.get(), frame, sizeof frame) <= 0) fail_errno("take a frame from '{}'", tap_);
}

void FakeMachine::write_disk() {
  const uint64_t time = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  if (::pwrite(disk_.get(), &time, sizeof time, kLateWriteOnDisk) != sizeof time)
    fail_errno("write the fake guest's disk");
}

void FakeMachine::map(uint64_t bytes, int memory_file) {
  const int flags = MAP_PRIVATE | MAP_NORESERVE | (memory_file < 0 ? MAP_ANONYMOUS : 0);
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, memory_file, 0);
  if (address == MAP_FAILED) fail_errno("map {} bytes of guest memory", bytes);
  memory_ = static_cast<char*>(address);
  bytes_ = bytes;
}

void FakeMachine::unmap() {
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
  memory_ = nullptr;
}

// Only what can hold something: the pages that the guest touches, and the data of the file that it came from.
void FakeMachine::write_memory(int fd) {
  off_t at = 0;
  while (memory_file_) {
    const off_t data = ::lseek(memory_file_.get(), at, SEEK_DATA);
    if (data < 0 || static_cast<uint64_t>(data) >= bytes_) break;
    at = ::lseek(memory_file_.get(), data, SEEK_HOLE);
    copy_range(fd, static_cast<uint64_t>(data), std::min(static_cast<uint64_t>(at), bytes_));
  }
  copy_range(fd, kRootPointerAddress, kRootPointerAddress + kPage);
  copy_range(fd, kMarkAddress, kMarkAddress + kPage);
  if (has_kernel()) copy_range(fd, kKernelAddress, kKernelAddress + kKernelBytes);
}

void FakeMachine::copy_range(int fd, uint64_t from, uint64_t to) {
  while (from < to) {
    const ssize_t count = ::pwrite(fd, memory_ + from, to - from, static_cast<off_t>(from));
    if (count <= 0) fail_errno("write the memory file");
    from += static_cast<uint64_t>(count);
  }
}

}  // namespace knaller::fake
