#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/once_done.h"
#include "base/parallel.h"
#include "base/rollback.h"
#include "base/secret.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "monitor/renewal.h"
#include "store/digest.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "store/transaction.h"
#include "store/vm_record.h"
#include "vm/home/host_facts.h"
#include "vm/home/layout.h"
#include "vm/home/locks.h"
#include "vm/life/list.h"
#include "vm/life/ready.h"
#include "vm/life/stop.h"
#include "vm/snapshots/capture.h"
#include "vm/snapshots/capture_check.h"
#include "vm/snapshots/part_digests.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_change.h"
#include "vm/snapshots/standstill.h"

namespace knaller::vm {
namespace {

using store::Kind;

// By which a guest's clock may be slow; setting it takes a connection.
constexpr std::chrono::seconds kPauseOfNote{1};
constexpr std::chrono::seconds kClockTime{5};

void make_read_only(int dir, const std::string& name) {
  if (::fchmodat(dir, name.c_str(), 0400, 0) != 0) fail_errno("make '{}' read-only", name);
}

// Waits its turn as long as it takes, saying on what; or not at all.
std::function<void(const std::string&)> on_wait(const Context& context, const SnapshotOptions& options) {
  if (options.wait) return waiting_note(context, fmt::format("VM '{}'", options.vm));
  return [&options](const std::string& holder) {
    throw Error(Code::kBusy, fmt::format("VM '{}' is in use by {}", options.vm, holder),
                "without --no-wait, the snapshot waits its turn");
  };
}

template <typename Body>
auto once_taken(const store::SnapshotId& id, Body&& body) {
  return once_done([&] { return fmt::format("it is here all the same, as {}", id.str()); }, body);
}

// One snapshot on its way. Each step is a function, in the order in which they run.
class Creation {
 public:
  Creation(const Context& context, const SnapshotOptions& options, int directory, store::VmRecord vm,
           std::function<void()> on_collected)
      : context_(context),
        options_(options),
        on_collected_(std::move(on_collected)),
        directory_(directory),
        vm_(std::move(vm)),
        id_(store::SnapshotId::make_random()),
        jail_(open_at(directory, layout::kJail, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)),
        deadline_(Deadline::never(options.stop)),
        lock_(
            context.home.lock(Kind::kSnapshot, id_.str(), "snapshot create", Deadline::after(kLockPatience))),
        staged_(lock_) {}

  // Of a VM that runs.
  store::SnapshotId run() {
    const auto digests_prepared = begin_beside([] { store::prepare_digests(); });
    monitor::MonitorClient monitor =
        monitor::MonitorClient::connect(directory_, Deadline::after(kLockPatience, options_.stop));
    const pid_t engine = running_engine(monitor, vm_.name, Deadline::after(kLockPatience, options_.stop));
    if (options_.capture == CaptureWay::kAuto)
      why_not_outside_ = why_not_outside(context_, vm_, options_.stop);
    Capture capture({vm_, directory_, jail_.get(), engine}, staged_.directory(),
                    {.way = options_.capture,
                     .why_not_outside = why_not_outside_,
                     .with_disk = options_.disk,
                     .longest_pause = options_.max_pause});
    Rollback undo;
    undo.add([&capture] { capture.remove_engine_files(); });
    monitor::Lease lease = monitor.lease(monitor::kSnapshotVerb, deadline_, on_wait(context_, options_));
    prepare(&capture);
    stand_still(capture, lease);
    collect(capture);
    describe();
    capture.remove_engine_files();
    undo.commit();
    if (on_collected_) on_collected_();
    seal(&capture);
    if (clock_set_.valid()) once_taken(id_, [&] { note_clock(context_, vm_.name, clock_set_.get()); });
    return id_;
  }

  // Of one that does not: there is only its disk, which nobody writes to while its lock is held.
  store::SnapshotId run_stopped() {
    const auto digests_prepared = begin_beside([] { store::prepare_digests(); });
    standstill_.began = std::chrono::system_clock::now();
    has_memory_ = false;
    prepare(nullptr);
    copy_disk();
    make_all_read_only();
    describe();
    if (on_collected_) on_collected_();
    seal(nullptr);
    return id_;
  }

 private:
  // Everything slow that needs no pause.
  void prepare(Capture* capture) {
    const PhaseTimer timer(context_, "prepare");
    const UniqueFd parts = open_at(directory_, layout::kParts, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const Part& part : shared_parts_of(vm_)) {
      link_or_copy(parts.get(), part.name, staged_.directory(), part.name, deadline_);
      files_.push_back(part.name);
    }
    if (vm_.has_ssh) {
      const UniqueFd key = open_at(directory_, layout::kSshKey, O_RDONLY | O_NOFOLLOW);
      const Secret secret(read_to_end(key.get(), 16384, layout::kSshKey));
      write_file_atomically(staged_.directory(), layout::kSshKey, secret.text(), durability());
      files_.push_back(layout::kSshKey);
    }
    if (capture != nullptr) capture->prepare(deadline_);
  }

  void copy_disk() {
    const PhaseTimer timer(context_, "collect");
    const std::string name = own_disk(vm_);
    const UniqueFd disk = open_untrusted(jail_.get(), name);
    const UniqueFd copy = open_at(staged_.directory(), name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    copy_sparse(disk.get(), copy.get(), file_size(disk.get()), deadline_);
    files_.push_back(name);
  }

  // The guest stands still for this.
  void stand_still(Capture& capture, monitor::Lease& lease) {
    const PhaseTimer timer(context_, "pause");
    const Deadline limit = Deadline::after(options_.max_pause, options_.stop);
    try {
      hold_still(lease, vm_.name, limit, standstill_, [&] {
        capture.take(limit);
        call_user(limit);
      });
    } catch (...) {
      if (standstill_.lasted > kPauseOfNote) set_clock_at_once();
      throw;
    }
    for (const CaptureStep& step : capture.steps()) context_.timing("pause: " + step.what, step.duration);
    if (standstill_.lasted > kPauseOfNote) begin_setting_clock();
  }

  // Beside the rest, which needs nothing of the guest.
  void begin_setting_clock() {
    clock_set_ = begin_beside([vm = vm_, path = context_.home.path_of(Kind::kVm, vm_.name),
                               deadline = Deadline::after(kClockTime, options_.stop)] {
      return monitor::set_guest_clock(vm, path, deadline);
    });
  }

  // Of a guest that stood still for nothing; also for whoever wants to stop: he has waited for the pause.
  void set_clock_at_once() const {
    note_clock(context_, vm_.name,
               monitor::set_guest_clock(vm_, context_.home.path_of(Kind::kVm, vm_.name),
                                        Deadline::after(kClockTime)));
  }

  void call_user(const Deadline& limit) const {
    if (!options_.while_paused) return;
    options_.while_paused({.directory = staged_.path(), .deadline = limit.when()});
    limit.check("what was to be done while the VM stood still");
  }

  // The guest runs again.
  void collect(Capture& capture) {
    const PhaseTimer timer(context_, "collect");
    capture.collect(deadline_);
    files_.insert(files_.end(), capture.files().begin(), capture.files().end());
    if (options_.while_paused) adopt_files_of_user();
    make_all_read_only();
    capture_ = to_string(capture.way());
    why_not_outside_ = capture.why_not_outside();
  }

  void make_all_read_only() const {
    for (const std::string& name : files_) make_read_only(staged_.directory(), name);
  }

  // What SnapshotOptions::while_paused left in the directory.
  void adopt_files_of_user() {
    for (const std::string& name : list_directory(staged_.directory())) {
      if (std::ranges::find(files_, name) != files_.end()) continue;
      // The last ones no manifest can hold.
      if (layout::access_of(layout::Place::kInSnapshot, name) == layout::Access::kPrivate ||
          name.starts_with('.') || printable(name) != name)
        fail(Code::kInvalidArgument, "a file that was made while the VM stood still has the name '{}'",
             printable(name));
      const UniqueFd file = open_untrusted(staged_.directory(), name);
      files_.push_back(name);
    }
  }

  void describe() {
    store::SnapshotRecord record;
    static_cast<store::Machine&>(record) = static_cast<const store::Machine&>(vm_);
    record.id = id_.str();
    record.vm_name = vm_.name;
    record.created_at = standstill_.began;
    record.ports = vm_.bound;
    record.uuid = make_uuid();
    record.vm_uuid = vm_.uuid;
    describe_host(context_, record);
    record.ssh_host_keys = read_file_if_exists(directory_, layout::kKnownHosts).value_or("");
    record.parent = vm_.from_snapshot;
    record.paused = standstill_.lasted;
    if (standstill_.ended) record.paused_at = standstill_.began;
    record.resumed_at = standstill_.ended;
    record.capture = capture_;
    record.capture_reason = why_not_outside_;
    record.has_memory = has_memory_;
    record.has_disk = std::ranges::find(files_, own_disk(vm_)) != files_.end();
    record.durable = options_.durable;
    write_file_atomically(staged_.directory(), layout::kMetadata, store::to_json_text(record), durability());
    files_.insert(files_.begin(), layout::kMetadata);
    if (!options_.name.empty() || !options_.labels.empty())
      store::write_labels(staged_.directory(), {options_.name, options_.labels}, durability());
  }

  // Digests, then everything on disk, then the name: the point of no return.
  void seal(const Capture* capture) {
    const PhaseTimer timer(context_, "seal");
    for (const std::string& name : files_) start_writing_back(name);
    const std::vector<store::KnownFile> known =
        part_digests(directory_, vm_, capture != nullptr ? capture->memory_changed() : std::nullopt);
    const bool is_first = known.empty() && !vm_.has_parent_memory();
    store::ManifestOptions options{.known = known};
    if (capture != nullptr) {
      options.held_of = layout::kMemory;
      options.held = capture->staged();
      options.write_held = [&] { write_staged(*capture); };
    }
    const store::Manifest manifest =
        store::make_manifest(staged_.directory(), files_, deadline_, std::move(options));
    write_file_atomically(staged_.directory(), layout::kManifest, store::to_text(manifest), durability());
    if (options_.durable)
      for (const std::string& name : files_) fsync_fd(open_file(name).get(), name);
    if (capture != nullptr) capture->let_go();
    if (is_first) try_to_keep_digests();
    if (options_.name.empty()) return staged_.publish(durability());
    const store::EntryLock names = lock_snapshot_names(context_, "snapshot create", deadline_);
    check_snapshot_name(context_, options_.name);
    staged_.publish(durability());
  }

  // For the VM's next snapshots. It may be removed by now, or another snapshot of it have kept its own.
  void try_to_keep_digests() const {
    try {
      keep_part_digests(directory_, staged_.directory(), deadline_);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
    }
  }

  void write_staged(const Capture& capture) const {
    capture.write_staged(deadline_);
    start_writing_back(layout::kMemory);
  }

  // The disk has work while the digests are made. What goes wrong is told by the fsync that follows.
  void start_writing_back(const std::string& name) const {
    if (options_.durable) ::sync_file_range(open_file(name).get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  }

  UniqueFd open_file(const std::string& name) const {
    return open_at(staged_.directory(), name, O_RDONLY | O_NOFOLLOW);
  }

  Durability durability() const { return options_.durable ? Durability::kFsync : Durability::kNoSync; }

  const Context& context_;
  const SnapshotOptions& options_;
  std::function<void()> on_collected_;
  int directory_;
  store::VmRecord vm_;
  store::SnapshotId id_;
  UniqueFd jail_;
  Deadline deadline_;
  store::EntryLock lock_;
  store::Transaction staged_;
  std::string capture_;
  std::string why_not_outside_;
  bool has_memory_ = true;
  std::vector<std::string> files_;
  Standstill standstill_;
  std::future<std::string> clock_set_;
};

}  // namespace

store::SnapshotId take_snapshot(const Context& context, const SnapshotOptions& options, int directory,
                                std::function<void()> on_collected) {
  Creation creation(context, options, directory, store::read_vm_record(directory, options.vm),
                    std::move(on_collected));
  if (monitor::is_alive(directory)) return creation.run();
  if (!options.disk || options.while_paused)
    throw Error(Code::kWrongState, "it is not running, so there is only its disk to take",
                fmt::format("start it first: knaller start {}", options.vm));
  context.note(fmt::format("VM '{}' is not running: the snapshot has only its disk", options.vm));
  return creation.run_stopped();
}

SnapshotInfo create_snapshot(const Context& context, const SnapshotOptions& options) {
  return in_context([&] { return fmt::format("snapshot of '{}'", options.vm); },
                    [&] {
                      const UniqueFd directory = open_vm(context, options.vm);
                      check_snapshot_name(context, options.name);
                      std::optional<store::EntryLock> lock =
                          context.home.lock(Kind::kVm, options.vm, "snapshot create",
                                            Deadline::never(options.stop), on_wait(context, options));
                      const store::SnapshotId id =
                          take_snapshot(context, options, directory.get(), [&lock] { lock.reset(); });
                      return once_taken(id, [&] { return describe_snapshot(context, id); });
                    });
}

}  // namespace knaller::vm
