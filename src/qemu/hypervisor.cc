// Starting, pausing, changing and ending the VM. Snapshots are in snapshot.cc.
#include "qemu/hypervisor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/elf_note.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "memory/guest_memory.h"

namespace knaller::qemu {

using firecracker::DriveSetup;
using firecracker::NetworkSetup;
using firecracker::VmSetup;

namespace {

// <xen/interface/elfnote.h>: the entry point of PVH.
constexpr uint32_t kPvhEntryNote = 18;

// QEMU answers in milliseconds; a machine that is short of everything may take long, a QEMU that hangs takes
// for ever.
constexpr auto kPatience = std::chrono::seconds(120);

UniqueFd make_guest_memory(uint64_t bytes) {
  // Not on a file system: it would be written back all the time.
  UniqueFd memory(::memfd_create(memory::kMemfdName, MFD_CLOEXEC));
  if (!memory) fail_errno("make guest memory with memfd_create(2)");
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
    fail_errno("make guest memory of {} bytes", bytes);
  return memory;
}

UniqueFd open_console(const VmSetup& setup) {
  if (!setup.serial_out_path) return {};
  // Read-write and not waiting, so that a fifo without a reader opens.
  return open_at(AT_FDCWD, *setup.serial_out_path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK, 0600);
}

// QEMU would say it at its end only, in its own words.
void require_entry_point(const std::string& kernel) {
  const UniqueFd fd = open_at(AT_FDCWD, kernel, O_RDONLY | O_NONBLOCK);
  if (!is_elf(fd.get()) || has_elf_note(fd.get(), "Xen", kPvhEntryNote)) return;
  fail(Code::kInvalidArgument,
       "the kernel has no PVH note, and QEMU finds no other way into an ELF kernel. It needs CONFIG_PVH=y, "
       "as the "
       "kernels of distributions have; Firecracker boots it as it is.");
}

void watch_fd(int events, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) fail_errno("watch QEMU");
}

}  // namespace

QemuHypervisor::QemuHypervisor(Options options) : options_(std::move(options)) {
  events_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!events_) fail_errno("make an epoll descriptor");
}

QemuHypervisor::~QemuHypervisor() = default;

void QemuHypervisor::check(const VmSetup& setup) {
  if (setup.vsock) {
    fail(Code::kUnsupported,
         "Vsock config error: knaller-qemu has no vsock device: QEMU's needs the host's vhost-vsock.");
  }
  if (setup.balloon) {
    // It would punch holes into the memory file that clones share.
    fail(Code::kUnsupported, "Balloon config error: knaller-qemu has no balloon device.");
  }
  if (setup.huge_pages != "None") {
    fail(Code::kUnsupported, "Machine config error: knaller-qemu has no huge pages.");
  }
  if (setup.cpu_template.value_or("None") != "None") {
    fail(Code::kUnsupported, "Machine config error: knaller-qemu has no CPU templates.");
  }
  for (size_t i = 0; i < setup.drives.size(); ++i) throttle_options(setup.drives[i].rate_limiter, i);
}

void QemuHypervisor::start(const VmSetup& setup) {
  require_entry_point(setup.boot_source.value().kernel_image_path);
  MachinePlan plan;
  plan.setup = setup;
  tsc_khz_ = plan.tsc_khz = tsc_.khz();
  launch(std::move(plan), make_guest_memory(setup.memory_mib << 20));
  resume();
  log_(fmt::format("The microVM runs on QEMU {} ({}), process {}.", process_->qmp().version(),
                   to_string(plan_->accelerator), process_->pid()));
}

// On return QEMU answers, and the VM is configured and stands still.
void QemuHypervisor::launch(MachinePlan plan, UniqueFd memory) {
  plan.binary = options_.binary;
  for (const NetworkSetup& network : plan.setup.network)
    plan.macs.push_back(network.guest_mac.value_or(random_mac()));
  plan.accelerator = options_.accelerator.value_or(is_kvm_usable() ? Accelerator::kKvm : Accelerator::kTcg);
  const UniqueFd console = open_console(plan.setup);
  auto [ours, theirs] = make_socket_pair();
  QemuProcess::Options options{
      .arguments = {},
      .descriptors = Descriptors(options_.inherited),
      .control = std::move(ours),
      .console_fd = console ? console.get() : STDOUT_FILENO,
      .on_stderr = [this](std::string_view line) { log_(fmt::format("QEMU: {}", printable(line))); }};
  plan.control_fd = options.descriptors.add(std::move(theirs));
  plan.memory_fd = options.descriptors.add(memory.duplicate());
  for (UniqueFd& network : connect_network(plan.setup))
    plan.network_fds.push_back(options.descriptors.add(std::move(network)));
  if (plan.incoming) options.private_memory_fd = plan.memory_fd;
  options.arguments = qemu_arguments(plan);
  process_ = QemuProcess::start(std::move(options), Deadline::after(kPatience));
  plan_ = std::move(plan);
  memory_ = std::move(memory);
  file_generation_.assign(plan_->setup.drives.size(), 0);
  resize_on_resume_.assign(plan_->setup.drives.size(), false);
  try {
    watch();
    set_limits();
    Json capabilities = Json::array();
    for (const char* name : {"x-ignore-shared", "events"})
      capabilities.push_back({{"capability", name}, {"state", true}});
    command("migrate-set-capabilities", {{"capabilities", std::move(capabilities)}});
  } catch (const Error&) {
    process_.reset();
    throw;
  }
}

// What QEMU gets for each interface.
std::vector<UniqueFd> QemuHypervisor::connect_network(const VmSetup& setup) {
  std::vector<UniqueFd> ends;
  relays_.clear();
  for (const NetworkSetup& network : setup.network) {
    if (!is_relayed(network)) {
      ends.push_back(open_tap(network.host_device));
      continue;
    }
    UniqueFd tap = open_tap(network.host_device, TapFrames::kPlain);
    NetworkRelay& relay = relays_.try_emplace(network.id, network, std::move(tap)).first->second;
    ends.push_back(relay.take_qemu_end());
    watch_fd(events_.get(), relay.event_fd());
  }
  return ends;
}

void QemuHypervisor::set_limits() {
  for (size_t i = 0; i < plan_->setup.drives.size(); ++i) {
    const auto& limiter = plan_->setup.drives[i].rate_limiter;
    if (limiter) command("block_set_io_throttle", throttle_options(limiter, i));
  }
}

void QemuHypervisor::pause() {
  command("stop");
}

void QemuHypervisor::resume() {
  command("cont");
  images_idle_ = false;
  for (size_t i = 0; i < resize_on_resume_.size(); ++i) {
    if (!resize_on_resume_[i]) continue;
    resize_on_resume_[i] = false;
    const UniqueFd image = open_at(AT_FDCWD, plan_->setup.drives[i].path.value(), O_RDONLY);
    command("block_resize", {{"node-name", drive_id(i)}, {"size", file_size(image.get())}});
  }
}

void QemuHypervisor::send_ctrl_alt_del() {
  Json keys = Json::array();
  for (const char* key : {"ctrl", "alt", "delete"}) keys.push_back({{"type", "qcode"}, {"data", key}});
  command("send-key", {{"keys", std::move(keys)}});
}

void QemuHypervisor::change_drive(const DriveSetup& drive, bool new_path) {
  auto& drives = plan_->setup.drives;
  const auto found = std::ranges::find(drives, drive.id, &DriveSetup::id);
  if (found == drives.end()) fail(Code::kNotFound, "Failed perform action on device: Device not found");
  const auto index = static_cast<size_t>(found - drives.begin());
  command("block_set_io_throttle", throttle_options(drive.rate_limiter, index));
  if (new_path) {
    const UniqueFd image = open_at(AT_FDCWD, drive.path.value(), drive.read_only ? O_RDONLY : O_RDWR);
    const std::string old_node = file_node(index, file_generation_[index]);
    const std::string new_node = file_node(index, file_generation_[index] + 1);
    command("blockdev-add", file_node_options(drive, new_node));
    try {
      command("blockdev-reopen", {{"options", Json::array({format_node_options(drive, index, new_node)})}});
    } catch (const Error&) {
      command("blockdev-del", {{"node-name", new_node}});
      throw;
    }
    ++file_generation_[index];
    command("blockdev-del", {{"node-name", old_node}});
    // The guest learns of another size by this. QEMU 7.2 aborts on it while its images are idle.
    if (images_idle_) {
      resize_on_resume_[index] = true;
    } else if (!drive.read_only) {
      command("block_resize", {{"node-name", drive_id(index)}, {"size", file_size(image.get())}});
    }
  }
  *found = drive;
}

void QemuHypervisor::change_network(const NetworkSetup& network) {
  const auto relay = relays_.find(network.id);
  if (relay != relays_.end()) return relay->second.change(network);
  if (!is_relayed(network)) return;
  fail(Code::kUnsupported,
       "Network config error: knaller-qemu can't give a rate limiter to a network interface that was started "
       "without one.");
}

void QemuHypervisor::watch() {
  for (const int fd : {process_->pidfd(), process_->stderr_fd(), process_->qmp().fd()})
    watch_fd(events_.get(), fd);
}

bool QemuHypervisor::on_ready() {
  epoll_event ready[8];
  const int count = ::epoll_wait(events_.get(), ready, std::size(ready), 0);
  for (int i = 0; i < count; ++i) {
    const int fd = ready[i].data.fd;
    for (auto& [id, relay] : relays_)
      if (fd == relay.event_fd()) relay.on_ready();
    if (process_ && fd == process_->stderr_fd()) process_->read_stderr();
    // The end of the process tells the rest; an ended connection would be readable for ever.
    if (process_ && fd == process_->qmp().fd() && !process_->qmp().drain()) {
      ::epoll_ctl(events_.get(), EPOLL_CTL_DEL, fd, nullptr);
    }
    if (process_ && fd == process_->pidfd()) {
      note_end();
      return false;
    }
  }
  return true;
}

void QemuHypervisor::note_end() {
  const ExitStatus status = process_->finish();
  const std::string& reason = process_->qmp().shutdown_reason();
  if (status.success()) {
    log_(fmt::format("The microVM has ended ({}).", reason.empty() ? "QEMU exited" : reason));
  } else {
    log_(fmt::format("QEMU ended: {}.", status.describe()));
    exit_code_ = 1;
  }
  process_.reset();
}

Json QemuHypervisor::command(const std::string& name, const Json& arguments, int passed_fd) {
  return process_.value().qmp().execute(name, arguments, Deadline::after(kPatience), passed_fd);
}

void QemuHypervisor::command(const std::string& name) {
  command(name, Json::object());
}

}  // namespace knaller::qemu
