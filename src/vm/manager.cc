// The public interface: each call is one verb of this folder.
#include "knaller/manager.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "monitor/launch.h"
#include "store/labels.h"
#include "store/names.h"
#include "vm/doctor.h"
#include "vm/home/context.h"
#include "vm/home/images.h"
#include "vm/home/store_check.h"
#include "vm/home/store_usage.h"
#include "vm/home/sweep.h"
#include "vm/life/enter.h"
#include "vm/life/events.h"
#include "vm/life/forward.h"
#include "vm/life/list.h"
#include "vm/life/logs.h"
#include "vm/life/set.h"
#include "vm/life/start.h"
#include "vm/life/stats.h"
#include "vm/life/stop.h"
#include "vm/life/wait.h"
#include "vm/snapshots/diff.h"
#include "vm/snapshots/export.h"
#include "vm/snapshots/extract.h"
#include "vm/snapshots/import.h"
#include "vm/snapshots/preflight.h"
#include "vm/snapshots/prune.h"
#include "vm/snapshots/restore.h"
#include "vm/snapshots/rollback.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_change.h"
#include "vm/snapshots/verify.h"

namespace knaller {
inline namespace v0 {
namespace {

// Beside the running program (a build), behind it (an installation with any prefix), or where this library
// was installed. Never on PATH, where anybody may have put a program of that name.
std::string find_libexec(const std::string& given) {
  if (!given.empty()) return given;
  char program[PATH_MAX] = {};
  if (::readlink("/proc/self/exe", program, sizeof program - 1) < 0)
    fail_errno("find this program's own folder");
  const std::string path(program);
  const std::string folder = path.substr(0, path.rfind('/'));
  for (const std::string& candidate :
       {folder, folder + "/../libexec/knaller", std::string(KNALLER_LIBEXECDIR)})
    if (exists(candidate + "/knaller-monitor")) return candidate;
  throw Error(Code::kNotFound, fmt::format("there is no knaller-monitor in {}", KNALLER_LIBEXECDIR),
              "install knaller completely, or name the folder in ManagerOptions::libexec");
}

vm::Context make_context(const ManagerOptions& options) {
  const auto network = options.allow_network_home ? store::Home::NetworkFileSystem::kAllowed
                                                  : store::Home::NetworkFileSystem::kRefused;
  vm::Context context{store::Home::open(options.home.empty() ? default_home() : options.home, network),
                      find_libexec(options.libexec), options.pasta, options.on_event};
  if (options.sweep) vm::sweep(context);
  return context;
}

const char* environment(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

struct Manager::Impl {
  vm::Context context;
};

Manager::Manager(ManagerOptions options) : impl_(new Impl{make_context(options)}) {}
Manager::~Manager() = default;

const std::string& Manager::home() const {
  return impl_->context.home.path();
}

Started Manager::start(const VmOptions& vm, const StartOptions& options) {
  return vm::start_new(impl_->context, vm, options);
}
Started Manager::start_existing(const std::string& name, const StartOptions& options) {
  return vm::start_existing(impl_->context, name, options);
}
RollbackResult Manager::roll_back(const RollbackOptions& options) {
  return vm::roll_back(impl_->context, options);
}
Started Manager::restore(const RestoreOptions& restore, const StartOptions& options) {
  return vm::restore(impl_->context, restore, options);
}
std::vector<CheckRow> Manager::check_restore(const RestoreOptions& restore, std::stop_token stop) {
  return vm::check_restore(impl_->context, restore, std::move(stop));
}
void Manager::stop(const std::string& name, const StopOptions& options) {
  vm::stop_vm(impl_->context, name, options);
}
Started Manager::restart(const std::string& name, const StopOptions& stop, const StartOptions& start) {
  vm::stop_vm(impl_->context, name, stop);
  return vm::start_existing(impl_->context, name, start);
}
void Manager::remove(const std::string& name, const RemoveOptions& options) {
  vm::remove_vm(impl_->context, name, options);
}
VmInfo Manager::set(const std::string& name, const VmChanges& changes, std::stop_token stop) {
  return vm::set_vm(impl_->context, name, changes, std::move(stop));
}
void Manager::pause(const std::string& name, std::stop_token stop) {
  vm::pause_vm(impl_->context, name, std::move(stop));
}
void Manager::resume(const std::string& name, std::stop_token stop) {
  vm::resume_vm(impl_->context, name, std::move(stop));
}
std::vector<VmInfo> Manager::list(const ListOptions& options) {
  return vm::list_vms(impl_->context, options);
}
VmInfo Manager::inspect(const std::string& name) {
  return vm::inspect_vm(impl_->context, name);
}
std::string Manager::inspect_json(const std::string& name) {
  return vm::inspect_vm_json(impl_->context, name);
}
VmInfo Manager::wait(const std::string& name, std::stop_token stop) {
  return vm::wait_vm(impl_->context, name, std::move(stop));
}
std::vector<Waited> Manager::wait_for(const VmWaitOptions& options) {
  return vm::wait_for_vms(impl_->context, options);
}
void Manager::stats(const StatsOptions& options,
                    const std::function<void(const std::vector<VmStats>&)>& take) {
  vm::sample_vms(impl_->context, options, take);
}
void Manager::events(const EventsOptions& options, const std::function<void(const VmEvent&)>& take) {
  vm::tell_events(impl_->context, options, take);
}
void Manager::logs(const LogOptions& options, const std::function<void(std::string_view)>& write) {
  vm::write_logs(impl_->context, options, write);
}

ExecResult Manager::exec(const std::string& name, const ExecOptions& options) {
  return vm::exec_in_vm(impl_->context, name, options);
}
std::string Manager::detach(const std::string& name, const ExecOptions& options) {
  return vm::detach_in_vm(impl_->context, name, options);
}
std::vector<SessionInfo> Manager::sessions(const std::string& name, std::stop_token stop) {
  return vm::sessions_of_vm(impl_->context, name, std::move(stop));
}
ExecResult Manager::attach(const std::string& name, const std::string& session, const ExecOptions& options) {
  return vm::attach_to_session(impl_->context, name, session, options);
}
void Manager::signal(const std::string& name, const std::string& session, int signal, std::stop_token stop) {
  vm::signal_in_vm(impl_->context, name, session, signal, std::move(stop));
}
void Manager::copy(const CopyOptions& options) {
  vm::copy_files(impl_->context, options);
}
void Manager::connect(const ConnectOptions& options) {
  vm::connect_to_vm(impl_->context, options);
}
void Manager::forward(const ForwardOptions& options) {
  vm::forward_ports(impl_->context, options);
}
SshTarget Manager::ssh_target(const std::string& name) {
  return vm::ssh_target(impl_->context, name);
}

SnapshotInfo Manager::create_snapshot(const SnapshotOptions& options) {
  store::check_labels(options.labels);
  return vm::create_snapshot(impl_->context, options);
}
std::vector<SnapshotInfo> Manager::list_snapshots() {
  return vm::list_snapshots(impl_->context);
}
SnapshotInfo Manager::inspect_snapshot(const std::string& id) {
  return vm::inspect_snapshot(impl_->context, id);
}
std::string Manager::inspect_snapshot_json(const std::string& id) {
  return vm::inspect_snapshot_json(impl_->context, id);
}
void Manager::remove_snapshot(const std::string& id, const RemoveOptions& options) {
  vm::remove_snapshot(impl_->context, id, options);
}
SnapshotInfo Manager::change_snapshot(const std::string& id, const SnapshotChange& change) {
  return vm::change_snapshot(impl_->context, id, change);
}
PruneResult Manager::prune_snapshots(const PruneOptions& options) {
  return vm::prune_snapshots(impl_->context, options);
}
VerifyResult Manager::verify_snapshot(const std::string& id, const VerifyOptions& options) {
  return vm::verify_snapshot(impl_->context, id, options);
}
ExportResult Manager::export_snapshot(const ExportOptions& options) {
  return vm::export_snapshot(impl_->context, options);
}
ImportResult Manager::import_snapshot(const ImportOptions& options) {
  return vm::import_snapshot(impl_->context, options);
}

ExtractResult Manager::extract_snapshot(const ExtractOptions& options) {
  return vm::extract_snapshot(impl_->context, options);
}
SnapshotDiff Manager::diff_snapshots(const std::string& a, const std::string& b, const DiffOptions& options) {
  return vm::diff_snapshots(impl_->context, a, b, options);
}

ImageInfo Manager::build_image(const ImageBuildOptions& options) {
  return vm::build_image(impl_->context, options);
}
ImageInfo Manager::import_image(const ImageImportOptions& options) {
  return vm::import_image(impl_->context, options);
}
std::vector<ImageInfo> Manager::list_images() {
  return vm::list_images(impl_->context);
}
ImageInfo Manager::inspect_image(const std::string& name) {
  return vm::inspect_image(impl_->context, name);
}
std::string Manager::inspect_image_json(const std::string& name) {
  return vm::inspect_image_json(impl_->context, name);
}
void Manager::remove_image(const std::string& name, const RemoveOptions& options) {
  vm::remove_image(impl_->context, name, options);
}

StoreUsage Manager::measure_store(std::stop_token stop) {
  return vm::measure_store(impl_->context, std::move(stop));
}
StoreReport Manager::check_store(const StoreCheckOptions& options) {
  return vm::check_store(impl_->context, options);
}

std::vector<CheckRow> doctor(const ManagerOptions& options, const EngineChoice& engine) {
  std::vector<CheckRow> rows = vm::check_host(find_libexec(options.libexec), options.pasta);
  try {
    std::ranges::move(vm::check_what_is_there(make_context(options), engine), std::back_inserter(rows));
  } catch (const Error& error) {
    rows.push_back(vm::home_unusable(error));
  }
  return rows;
}

Tie::Tie() = default;
Tie::Tie(int fd) : fd_(fd) {}
Tie::Tie(Tie&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
Tie& Tie::operator=(Tie&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}
Tie::~Tie() {
  if (fd_ >= 0) ::close(fd_);
}
void Tie::release() {
  if (fd_ < 0) return;
  const UniqueFd tie(std::exchange(fd_, -1));
  monitor::release_tie(tie.get(), Deadline::after(std::chrono::seconds(10)));
}

std::string to_string(CaptureWay way) {
  switch (way) {
    case CaptureWay::kOutside:
      return "outside";
    case CaptureWay::kEngine:
      return "engine";
    case CaptureWay::kAuto:
      break;
  }
  return "auto";
}

std::string to_string(VmState state) {
  switch (state) {
    case VmState::kStarting:
      return "starting";
    case VmState::kRunning:
      return "running";
    case VmState::kPaused:
      return "paused";
    case VmState::kStuck:
      return "stuck";
    case VmState::kStopped:
      return "stopped";
    case VmState::kCrashed:
      return "crashed";
    case VmState::kBroken:
      return "broken";
    case VmState::kForeign:
      return "foreign";
  }
  return "broken";
}

std::string default_home() {
  if (const char* home = environment("KNALLER_HOME")) return home;
  if (const char* data = environment("XDG_DATA_HOME")) return std::string(data) + "/knaller";
  if (const char* home = environment("HOME")) return std::string(home) + "/.local/share/knaller";
  throw Error(Code::kInvalidArgument, "there is no place for knaller's data: HOME is not set",
              "set KNALLER_HOME");
}

std::string_view version() {
  return KNALLER_VERSION;
}

void check_vm_name(std::string_view name) {
  store::Name::parse(name);
}

}  // namespace v0
}  // namespace knaller
