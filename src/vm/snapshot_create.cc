#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "base/text.h"
#include "firecracker/client.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "store/manifest.h"
#include "store/vm_record.h"
#include "vm/layout.h"
#include "vm/list.h"
#include "vm/snapshot.h"
#include "vm/stop.h"

namespace knaller::vm {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using store::Kind;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kResumeTime{30};
constexpr uint64_t kLargestState = 16 << 20;

// The names under which the engine writes, in its jail; never those of the files that it was itself loaded
// from.
const char* const kNewState = "new-state";
const char* const kNewMemory = "new-memory";

void check_label_name(const Context& context, const std::string& name) {
  if (name.empty()) return;
  store::Name::parse(name, "snapshot name");
  if (store::SnapshotId::is_valid(name))
    fail(Code::kInvalidArgument, "'{}' looks like a snapshot id: choose another name", name);
  for (const SnapshotInfo& other : list_snapshots(context))
    if (other.name == name) fail(Code::kAlreadyExists, "snapshot {} is named '{}' already", other.id, name);
}

// What the engine should have left in its jail. That it is not there is the engine's fault, not the caller's.
UniqueFd open_of_engine(int jail, const std::string& name) {
  if (!stat_if_exists(jail, name)) fail(Code::kCorrupt, "the engine left no '{}'", name);
  return open_untrusted(jail, name);
}

// A file that the engine wrote, copied out of its jail: a regular file of exactly `size` bytes, and not a
// byte more, for the engine may keep its descriptor and go on writing.
void copy_out(int jail, const std::string& from, int to_dir, const std::string& to, uint64_t size,
              const Deadline& deadline) {
  const UniqueFd source = open_of_engine(jail, from);
  if (file_size(source.get()) != size)
    fail(Code::kCorrupt, "the engine's '{}' has {} bytes instead of {}", from, file_size(source.get()), size);
  const UniqueFd target = open_at(to_dir, to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  copy_sparse(source.get(), target.get(), size, deadline);
}

void remove_captured(int jail) {
  remove_tree(jail, kNewState);
  remove_tree(jail, kNewMemory);
}

bool has_captured(int jail) {
  return stat_if_exists(jail, kNewState) || stat_if_exists(jail, kNewMemory);
}

void sweep_captured_of(const Context& context, const std::string& name) {
  const UniqueFd directory = context.home.open_entry(Kind::kVm, name);
  if (!stat_if_exists(directory.get(), "vm.json")) return;
  const UniqueFd jail = open_at(directory.get(), "jail", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!has_captured(jail.get())) return;
  const auto lock = context.home.try_lock(Kind::kVm, name, "sweep");
  if (lock) remove_captured(jail.get());
}

void make_read_only(int dir, const std::string& name) {
  if (::fchmodat(dir, name.c_str(), 0400, 0) != 0) fail_errno("make '{}' read-only", name);
}

// One snapshot on its way. Each step is a function, in the order in which they run.
class Creation {
 public:
  Creation(const Context& context, const SnapshotOptions& options, int directory, store::VmRecord vm)
      : context_(context),
        options_(options),
        directory_(directory),
        vm_(std::move(vm)),
        id_(store::SnapshotId::make_random()),
        jail_(open_at(directory, "jail", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)),
        deadline_(Deadline::never(options.stop)),
        lock_(
            context.home.lock(Kind::kSnapshot, id_.str(), "snapshot create", Deadline::after(kLockPatience))),
        staged_(context.home, Kind::kSnapshot, id_.str()) {
    rollback_.add([this] { remove_engine_files(); });
    rollback_.add([this] { lock_.unlink_while_held(); });
  }

  store::SnapshotId run() {
    prepare();
    capture();
    collect();
    describe();
    seal();
    rollback_.commit();
    remove_engine_files();
    return id_;
  }

 private:
  // Everything slow that needs no pause: links of the immutable files, and dirty pages on their way to the
  // host's disk, since the engine fsyncs the drive while the guest stands still.
  void prepare() {
    const PhaseTimer timer(context_, "prepare");
    remove_engine_files();
    const UniqueFd parts = open_at(directory_, "parts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const Part& part : parts_of(vm_)) {
      if (part.name == kMemory || part.name == kState) continue;  // a parent's
      link_or_copy(parts.get(), part.name, staged_.directory(), part.name, deadline_);
      files_.push_back(part.name);
    }
    if (vm_.has_ssh) {
      const UniqueFd key = open_at(directory_, kSshKey, O_RDONLY | O_NOFOLLOW);
      write_file_atomically(staged_.directory(), kSshKey, read_to_end(key.get(), 16384, kSshKey),
                            durability());
      files_.push_back(kSshKey);
    }
    const UniqueFd disk = open_of_engine(jail_.get(), own_disk(vm_));
    if (options_.durable) fsync_fd(disk.get(), own_disk(vm_));
  }

  // The guest stands still for this: device state and memory by the engine, then the disk. Whatever happens,
  // it runs again: by our release, or, should we not live to call it, by the monitor when the lease's
  // connection ends.
  void capture() {
    const PhaseTimer timer(context_, "pause");
    const Deadline patience = Deadline::after(kLockPatience, options_.stop);
    monitor::Lease lease =
        monitor::MonitorClient::connect(directory_, patience)
            .lease("snapshot create", patience, waiting_note(context_, fmt::format("VM '{}'", vm_.name)));
    const Deadline pause_limit = Deadline::after(options_.max_pause, options_.stop);
    const auto began = Clock::now();
    try {
      if (!lease.was_paused()) lease.pause(pause_limit);
      created_at_ = std::chrono::system_clock::now();
      write_state_and_memory(pause_limit);
      copy_disk(pause_limit);
    } catch (Error& error) {
      release_after(error, lease);
      throw;
    }
    lease.release(Deadline::after(kResumeTime));
    if (!lease.was_paused()) paused_ = duration_cast<microseconds>(Clock::now() - began);
  }

  void write_state_and_memory(const Deadline& limit) {
    const firecracker::Client engine(jail_.get(), "api.sock");
    engine.apply(firecracker::create_snapshot({.state_path = kNewState, .memory_path = kNewMemory},
                                              firecracker::parse_version(vm_.engine_version)),
                 limit);
  }

  void copy_disk(const Deadline& limit) {
    const std::string disk = own_disk(vm_);
    const UniqueFd source = open_of_engine(jail_.get(), disk);
    const UniqueFd target = open_at(staged_.directory(), disk, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    copy_sparse(source.get(), target.get(), file_size(source.get()), limit);
    files_.push_back(disk);
  }

  void release_after(Error& error, monitor::Lease& lease) {
    if (error.code() == Code::kTimeout)
      error.with_hint("the VM runs on; allow the pause more time with --max-pause");
    try {
      lease.release(Deadline::after(kResumeTime));
    } catch (const Error& resume_error) {
      error.in(fmt::format("THE VM COULD NOT BE RESUMED ({})", resume_error.what()))
          .with_hint(fmt::format("see `knaller inspect {0}`; resume it: knaller resume {0}", vm_.name));
    }
  }

  // The guest runs again; what the engine wrote is copied, never linked, out of the directory that the engine
  // may write to.
  void collect() {
    const PhaseTimer timer(context_, "collect");
    const UniqueFd state = open_of_engine(jail_.get(), kNewState);
    const uint64_t state_size = file_size(state.get());
    if (state_size == 0 || state_size > kLargestState)
      fail(Code::kCorrupt, "the engine wrote a state of {} bytes", state_size);
    copy_out(jail_.get(), kNewState, staged_.directory(), kState, state_size, deadline_);
    copy_out(jail_.get(), kNewMemory, staged_.directory(), kMemory, vm_.memory_mib << 20, deadline_);
    files_.push_back(kState);
    files_.push_back(kMemory);
    for (const std::string& name : files_) make_read_only(staged_.directory(), name);
  }

  void describe() {
    store::SnapshotRecord record;
    static_cast<store::Machine&>(record) = vm_;
    record.id = id_.str();
    record.vm_name = vm_.name;
    record.created_at = created_at_;
    record.ports = vm_.bound;
    record.uuid = make_uuid();
    record.vm_uuid = vm_.uuid;
    record.cpu = store::host_cpu();
    record.ssh_host_keys = read_file_if_exists(directory_, kKnownHosts).value_or("");
    record.parent = vm_.from_snapshot;
    record.paused = paused_;
    record.durable = options_.durable;
    write_file_atomically(staged_.directory(), "metadata.json", store::to_json_text(record), durability());
    files_.insert(files_.begin(), "metadata.json");
    if (!options_.name.empty() || !options_.labels.empty())
      store::write_labels(staged_.directory(), {options_.name, options_.labels}, durability());
  }

  // Digests, then everything on disk, then the name: the point of no return.
  void seal() {
    const PhaseTimer timer(context_, "seal");
    const store::Manifest manifest = store::make_manifest(staged_.directory(), files_, deadline_);
    write_file_atomically(staged_.directory(), "manifest", store::to_text(manifest), durability());
    if (options_.durable)
      for (const std::string& name : files_)
        fsync_fd(open_at(staged_.directory(), name, O_RDONLY | O_NOFOLLOW).get(), name);
    staged_.publish(durability());
  }

  void remove_engine_files() { remove_captured(jail_.get()); }

  Durability durability() const { return options_.durable ? Durability::kFsync : Durability::kNoSync; }

  const Context& context_;
  const SnapshotOptions& options_;
  int directory_;
  store::VmRecord vm_;
  store::SnapshotId id_;
  UniqueFd jail_;
  Deadline deadline_;
  LockFile lock_;
  store::StagedEntry staged_;
  Rollback rollback_;
  std::vector<std::string> files_;
  SystemTime created_at_{};
  microseconds paused_{0};
};

}  // namespace

void sweep_captured(const Context& context) {
  for (const std::string& name : context.home.entries(Kind::kVm)) {
    try {
      sweep_captured_of(context, name);
    } catch (const Error&) {
      // A VM that is broken, or was removed just now; `ls` shows what is wrong with it.
    }
  }
}

SnapshotInfo create_snapshot(const Context& context, const SnapshotOptions& options) {
  return in_context([&] { return fmt::format("snapshot of '{}'", options.vm); },
                    [&] {
                      const UniqueFd directory = open_vm(context, options.vm);
                      check_label_name(context, options.name);
                      const LockFile lock =
                          context.home.lock(Kind::kVm, options.vm, "snapshot create",
                                            Deadline::after(kLockPatience, options.stop),
                                            waiting_note(context, fmt::format("VM '{}'", options.vm)));
                      if (!monitor::is_alive(directory.get()))
                        throw Error(Code::kWrongState, "it is not running",
                                    fmt::format("start it first: knaller start {}", options.vm));
                      Creation creation(context, options, directory.get(),
                                        store::read_vm_record(directory.get(), options.vm));
                      return describe_snapshot(context, creation.run());
                    });
}

}  // namespace knaller::vm
