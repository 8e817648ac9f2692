#include "vm/snapshots/capture_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cstring>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "disk/private_disk.h"
#include "firecracker/version.h"
#include "memory/guest_memory.h"
#include "monitor/client.h"
#include "store/layout.h"
#include "store/names.h"
#include "vm/home/host_facts.h"
#include "vm/home/layout.h"
#include "vm/life/boot.h"
#include "vm/life/bring_up.h"
#include "vm/life/stop.h"
#include "vm/snapshots/capture.h"
#include "vm/snapshots/scratch_guest.h"

namespace knaller::vm {
namespace {

using store::Kind;

// A scratch guest takes its time on a host that is busy or itself emulated, and who gives up asks again at
// the next snapshot.
constexpr std::chrono::seconds kPatience{60};
// For a guest that runs, to have written to its memory; on hosts where guests hang nothing comes.
constexpr std::chrono::milliseconds kGuestTime{100};
constexpr uint64_t kDiskMib = 32;
constexpr size_t kMostRemembered = 32;

// --- What is remembered

// This very binary on this very kernel.
std::string key_of(const std::string& binary) {
  struct utsname kernel = {};
  if (::uname(&kernel) != 0) fail_errno("ask for the kernel's version");
  return fmt::format("{} {} {} {}", binary, engine::identity_of_engine(binary), kernel.release,
                     kernel.version);
}

// Empty when there is nothing, or nothing of use: it is only a cache.
Json read_memory(const Context& context) {
  try {
    const auto text = read_file_if_exists(AT_FDCWD, context.home.cache_path() + "/" + layout::kCaptures);
    if (text) {
      Json json = parse_json(*text, layout::kCaptures);
      if (json.is_object() && json.value("format", 0) == 1 && json["checks"].is_object()) return json;
    }
  } catch (const Error&) {
  } catch (const Json::exception&) {
  }
  return {{"format", 1}, {"checks", Json::object()}};
}

void remember(const Context& context, const std::string& key, const CaptureCheck& check) {
  Json json = read_memory(context);
  if (json["checks"].size() >= kMostRemembered) json["checks"] = Json::object();
  json["checks"][key] = {{"booted", check.why_not_booted}, {"restored", check.why_not_restored}};
  make_directories(context.home.cache_path());
  const UniqueFd folder = open_directory(context.home.cache_path());
  write_file_atomically(folder.get(), layout::kCaptures, dump_json(json, 2) + "\n", Durability::kNoSync);
}

// --- The scratch VM

store::VmRecord scratch_record(const store::VmRecord& like) {
  store::VmRecord record;
  record.name = "selftest-" + hex(random_bytes(4));
  record.uuid = make_uuid();
  record.created_at = std::chrono::system_clock::now();
  record.memory_mib = kScratchGuestMemoryMib;
  record.network = NetworkMode::kNone;
  record.on_reboot = OnReboot::kStop;
  record.boot_args = "quiet";
  record.engine = like.engine;
  record.engine_binary = like.engine_binary;
  record.engine_version = like.engine_version;
  return record;
}

// Runs from construction to destruction; should this process be killed, its monitor ends and removes it.
class ScratchVm {
 public:
  // `fill` puts files into the new VM's directory.
  ScratchVm(const Context& context, store::VmRecord record, const std::function<void(int directory)>& fill,
            std::vector<firecracker::Request> load, const Deadline& deadline)
      : context_(context), record_(std::move(record)), deadline_(deadline) {
    // Held throughout: other commands sweep what engines left in the jails of VMs that nobody works on.
    lock_ = context_.home.lock(Kind::kVm, record_.name, "self-test", deadline_);
    const PreparedVm vm{.transaction = std::make_unique<store::Transaction>(*lock_),
                        .record = record_,
                        .engine_files = engine_facts(context_, record_.engine_binary, deadline_).files,
                        .load = std::move(load)};
    make_vm_directories(vm.directory());
    fill(vm.directory());
    refresh_jail(vm.directory(), parts_of(record_), deadline_);
    store::write_vm_record(vm.directory(), record_, Durability::kNoSync);
    StartOptions options{.tie = true, .stop = deadline_.stop()};
    options.wait.ready = false;
    BroughtUp up = bring_up(context_, vm, {.options = options}, start_monitor(context_, record_.name));
    record_ = std::move(up.record);
    tie_ = std::move(up.tie);
    directory_ = context_.home.open_entry(Kind::kVm, record_.name);
  }
  ~ScratchVm() {
    lock_.reset();
    try {
      remove_vm(context_, record_.name, {.force = true});
    } catch (const Error&) {
      // Its monitor removes it when the tie ends.
    }
  }
  ScratchVm(const ScratchVm&) = delete;
  ScratchVm& operator=(const ScratchVm&) = delete;

  int directory() const { return directory_.get(); }

  // Captures it both ways in one pause, into its folders "outside" and "engine". Why they differ, or why one
  // of them failed; empty when they agree.
  std::string compare_ways() {
    auto monitor = monitor::MonitorClient::connect(directory_.get(), deadline_);
    const pid_t engine = monitor.status(deadline_).engine_pid;
    await_writes(engine);
    const UniqueFd jail = open_at(directory_.get(), layout::kJail, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    monitor::Lease lease = monitor.lease("self-test", deadline_);
    lease.pause(deadline_);
    const CaptureSource source{record_, directory_.get(), jail.get(), engine};
    try {
      capture(source, "outside", CaptureWay::kOutside);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled || error.code() == Code::kTimeout) throw;
      return error.message();
    }
    capture(source, "engine", CaptureWay::kEngine);
    lease.release(deadline_);
    return same_memory() ? "" : "what was read from outside differs from what the engine wrote";
  }

 private:
  void await_writes(pid_t engine) const {
    UniqueFd parent;
    if (record_.has_parent_memory())
      parent = open_at(directory_.get(), layout::in_jail(layout::kParentMemory), O_RDONLY | O_NOFOLLOW);
    const Deadline limit = deadline_.sooner(kGuestTime);
    const auto memory =
        memory::GuestMemory::find(engine, kScratchGuestMemoryMib << 20, parent ? parent.get() : -1);
    while (memory && !limit.expired() && memory->changed_bytes(deadline_) < kScratchGuestWrites)
      pause_for(std::chrono::milliseconds(2), limit);  // no event tells of writes to memory
  }

  void capture(const CaptureSource& source, const std::string& folder, CaptureWay way) const {
    if (::mkdirat(directory_.get(), folder.c_str(), 0700) != 0) fail_errno("make the folder '{}'", folder);
    const UniqueFd target = open_at(directory_.get(), folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    Capture capture(source, target.get(), {.way = way, .why_not_outside = {}, .with_disk = true});
    capture.prepare(deadline_);
    capture.take(deadline_);
    capture.collect(deadline_);
    capture.write_staged(deadline_);
  }

  bool same_memory() const {
    constexpr size_t kPiece = 1 << 20;
    const UniqueFd one =
        open_at(directory_.get(), std::string("outside/") + layout::kMemory, O_RDONLY | O_NOFOLLOW);
    const UniqueFd other =
        open_at(directory_.get(), std::string("engine/") + layout::kMemory, O_RDONLY | O_NOFOLLOW);
    const uint64_t size = file_size(one.get());
    if (size != file_size(other.get())) return false;
    std::vector<char> a(kPiece);
    std::vector<char> b(kPiece);
    for (uint64_t at = 0; at < size; at += kPiece) {
      deadline_.check("a comparison of two captures");
      const size_t piece = std::min<uint64_t>(kPiece, size - at);
      read_at(one.get(), a.data(), piece, at);
      read_at(other.get(), b.data(), piece, at);
      if (std::memcmp(a.data(), b.data(), piece) != 0) return false;
    }
    return true;
  }

  const Context& context_;
  store::VmRecord record_;
  Deadline deadline_;
  std::optional<store::EntryLock> lock_;
  Tie tie_;
  UniqueFd directory_;
};

void fill_for_boot(const Context& context, const std::string& name, int directory, const Deadline& deadline) {
  const UniqueFd kernel =
      open_at(directory, layout::in_parts(layout::kKernel), O_WRONLY | O_CREAT | O_EXCL, 0400);
  write_all(kernel.get(), scratch_guest_kernel(), "the kernel of a self-test");
  disk::make_private_disk(fmt::format("{}/{}", context.home.path_of(Kind::kVm, layout::staged_name(name)),
                                      layout::in_jail(layout::kRootfs)),
                          kDiskMib, deadline);
}

void fill_for_load(int saved, int directory, const Deadline& deadline) {
  for (const char* part : {layout::kMemory, layout::kState}) add_part(directory, saved, part, part, deadline);
  const UniqueFd from = open_at(saved, layout::kRootfs, O_RDONLY | O_NOFOLLOW);
  const UniqueFd to = open_at(directory, layout::in_jail(layout::kRootfs), O_RDWR | O_CREAT | O_EXCL);
  copy_sparse(from.get(), to.get(), file_size(from.get()), deadline);
}

CaptureCheck try_engine(const Context& context, const store::VmRecord& like, const Deadline& deadline) {
  CaptureCheck check;
  const store::VmRecord first = scratch_record(like);
  ScratchVm booted(
      context, first, [&](int directory) { fill_for_boot(context, first.name, directory, deadline); }, {},
      deadline);
  check.why_not_booted = booted.compare_ways();
  if (!check.why_not_booted.empty()) {
    check.why_not_restored = "it was not tried, since a VM that was booted can't be read";
    return check;
  }
  store::VmRecord second = scratch_record(like);
  second.boot_args.clear();
  second.from_snapshot = store::SnapshotId::make_random().str();
  const UniqueFd saved = open_at(booted.directory(), "outside", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  ScratchVm restored(
      context, second, [&](int directory) { fill_for_load(saved.get(), directory, deadline); },
      load_requests(firecracker::parse_version(like.engine_version), second, second.limits), deadline);
  check.why_not_restored = restored.compare_ways();
  return check;
}

const std::string& why_not(const CaptureCheck& check, const store::VmRecord& record) {
  return record.has_parent_memory() ? check.why_not_restored : check.why_not_booted;
}

}  // namespace

std::optional<CaptureCheck> remembered_capture_check(const Context& context, const std::string& binary) {
  const Json json = read_memory(context);
  const auto& checks = json["checks"];
  const auto found = checks.find(key_of(binary));
  if (found == checks.end() || !found->is_object()) return {};
  const JsonReader reader(*found, layout::kCaptures);
  return CaptureCheck{reader.string_or("booted", ""), reader.string_or("restored", "")};
}

std::string why_not_outside(const Context& context, const store::VmRecord& record, std::stop_token stop) {
  try {
    if (const auto known = remembered_capture_check(context, record.engine_binary))
      return why_not(*known, record);
    const PhaseTimer timer(context, "self-test");
    context.step(fmt::format("trying, once, whether the memory of {} can be read from outside",
                             store::to_text(record.engine)));
    // The user is told of one self-test, not of what it consists of.
    const Context silent{store::Home::open(context.home.path(), store::Home::NetworkFileSystem::kAllowed),
                         context.libexec,
                         context.pasta,
                         {}};
    const CaptureCheck check = try_engine(silent, record, Deadline::after(kPatience, std::move(stop)));
    remember(context, key_of(record.engine_binary), check);
    return why_not(check, record);
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    context.note(
        fmt::format("the trial did not come to its end ({}): the engine writes the memory, and the next "
                    "snapshot tries again",
                    error.message()));
    return fmt::format("the self-test did not come to its end: {}", error.message());
  }
}

}  // namespace knaller::vm
