#include "vm/snapshots/capture.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/available_memory.h"
#include "base/error.h"
#include "base/file.h"
#include "base/free_space.h"
#include "base/parallel.h"
#include "base/text.h"
#include "firecracker/client.h"
#include "firecracker/version.h"
#include "store/layout.h"
#include "store/snapshot_record.h"
#include "store/usage.h"
#include "vm/home/layout.h"
#include "vm/life/boot.h"
#include "vm/snapshots/engine_memory.h"
#include "vm/snapshots/stillness.h"

namespace knaller::vm {
namespace {

// How often, in one pause, the engine may turn out to have worked for its guest meanwhile: for each way.
constexpr int kMostAttempts = 3;

// What every core makes ready in some 8 ms, beside what else there is to prepare; and at most an eighth of
// what the host has left and of the guest's memory: whoever has room for a guest, in a container perhaps, has
// that much more.
constexpr uint64_t kStagingPerCore = 24 << 20;

// As the memory's path: no engine can write a directory, and Firecracker opens that path only when the state
// is whole and on the disk (create_snapshot() of 1.7 to 1.17).
const char* const kNoMemory = ".";

// What the engine should have left in its jail. That it is not there is the engine's fault, not the caller's.
UniqueFd open_of_engine(int jail, const std::string& name) {
  if (!stat_if_exists(jail, name)) fail(Code::kCorrupt, "the engine left no '{}'", name);
  return open_untrusted(jail, name);
}

// A file that the engine wrote, copied out of its jail: a regular file of exactly `size` bytes, and not a
// byte more, for the engine may keep its descriptor and go on writing.
void copy_out(int jail, const std::string& from, int to, uint64_t size, const Deadline& deadline) {
  const UniqueFd source = open_of_engine(jail, from);
  if (file_size(source.get()) != size)
    fail(Code::kCorrupt, "the engine's '{}' has {} bytes instead of {}", from, file_size(source.get()), size);
  copy_sparse(source.get(), to, size, deadline);
}

uint64_t memory_bytes(const store::VmRecord& record) {
  return record.memory_mib << 20;
}

// For what the guest may change while the rest is prepared.
constexpr uint64_t kStagingToSpare = 4 << 20;

std::unique_ptr<memory::StagingBuffer> make_staging(const memory::GuestMemory& memory,
                                                    const Deadline& deadline) {
  uint64_t size = std::min(kStagingPerCore * core_count(), std::min(memory.size(), available_memory()) / 8);
  // Of a clone only what changed is read.
  if (memory.backing() == memory::Backing::kPrivateFile)
    size = std::min(size, memory.changed_bytes(deadline) + kStagingToSpare);
  return std::make_unique<memory::StagingBuffer>(size / memory::kShare * memory::kShare);
}

}  // namespace

Capture::Capture(CaptureSource source, int target, CapturePlan plan)
    : source_(source), target_(target), plan_(std::move(plan)) {
  if (source_.record.has_parent_memory())
    parent_in_jail_ = open_of_engine(source_.jail, layout::kParentMemory);
}

void Capture::remove_engine_files() const {
  vm::remove_engine_files(source_.directory, source_.jail);
}

void Capture::prepare(const Deadline& deadline) {
  remove_engine_files();
  guest_memory_ = choose_way();
  std::future<std::unique_ptr<memory::StagingBuffer>> staging;
  if (guest_memory_) staging = begin_beside([&] { return make_staging(*guest_memory_, deadline); });
  if (plan_.with_disk) open_disk();
  require_space(deadline);
  if (copy_) copy_->copy_ahead(deadline);
  memory_ = new_file(layout::kMemory);
  if (staging.valid()) staging_ = staging.get();
}

void Capture::open_disk() {
  disk_ = open_of_engine(source_.jail, own_disk(source_.record));
  disk_copy_ = new_file(own_disk(source_.record));
  copy_.emplace(disk_.get(), disk_copy_.get(),
                disk::InstantCopyOptions{.longest_pause = plan_.longest_pause,
                                         .marks_kept = cache_marks_kept(source_.engine)});
}

std::optional<memory::GuestMemory> Capture::choose_way() {
  std::optional<memory::GuestMemory> memory;
  if (plan_.way == CaptureWay::kEngine) {
    why_not_outside_ = "it was requested";
  } else if (plan_.way == CaptureWay::kAuto && !plan_.why_not_outside.empty()) {
    why_not_outside_ = plan_.why_not_outside;
  } else {
    try {
      memory = memory::GuestMemory::find(source_.engine, memory_bytes(source_.record), parent());
      if (!memory)
        why_not_outside_ = "the guest's memory was not found in the engine's mappings";
      else if (!frames_taken_by(source_.record, source_.engine))
        why_not_outside_ =
            "the kernel does not count the frames that the engine takes from its network device";
    } catch (const Error& error) {
      why_not_outside_ = error.message();
    }
  }
  way_ = why_not_outside_.empty() ? CaptureWay::kOutside : CaptureWay::kEngine;
  if (plan_.way == CaptureWay::kOutside && way_ != plan_.way) fail_outside();
  return memory;
}

int Capture::parent() const {
  return parent_in_jail_ ? parent_in_jail_.get() : -1;
}

// Less than will be written, so that nothing is refused that would fit; but a file system that is full is
// found before the guest stands still.
void Capture::require_space(const Deadline& deadline) const {
  const FreeSpace space = free_space(target_);
  uint64_t needed = copy_ ? copy_->bytes_to_store() : 0;
  if (space.bytes >= needed + memory_bytes(source_.record)) return;
  if (guest_memory_) needed += guest_memory_->changed_bytes(deadline);
  store::require_room(space, needed, "the snapshot");
}

void Capture::take(const Deadline& limit) {
  for (int attempt = 1;; ++attempt) {
    const std::string moved = take_once(limit);
    if (moved.empty()) return;
    if (way_ == CaptureWay::kOutside && attempt == kMostAttempts) fall_back(moved + " each time");
    if (attempt == 2 * kMostAttempts)
      throw Error(Code::kBusy,
                  fmt::format("its state and its disk do not belong to one instant: {} each time", moved),
                  "try again");
    forget_memory();
  }
}

// What the engine did for its guest meanwhile, which makes this worth nothing; empty for a success.
std::string Capture::take_once(const Deadline& limit) {
  const Stillness still(source_.record, source_.engine, copy_ ? disk_.get() : -1, limit);
  const bool outside = way_ == CaptureWay::kOutside && read_from_outside(limit);
  // In one step, as far as memory is concerned.
  if (!outside) measure("state and memory, by the engine", [&] { dump_by_engine(limit); });
  if (copy_) measure("disk", [&] { copy_->complete(limit); });
  const std::string moved = outside ? still.network_work() : "";
  return moved.empty() ? still.disk_work() : moved;
}

// To the engine's way, in which it writes state and memory in one step.
void Capture::fall_back(const std::string& why) {
  why_not_outside_ = why;
  if (plan_.way == CaptureWay::kOutside) fail_outside();
  way_ = CaptureWay::kEngine;
}

void Capture::fail_outside() const {
  throw Error(Code::kUnsupported,
              fmt::format("the guest's memory can't be read from outside: {}", why_not_outside_),
              "let the engine write it: --capture engine");
}

void Capture::measure(std::string what, const std::function<void()>& step) {
  const auto began = std::chrono::steady_clock::now();
  step();
  steps_.push_back({std::move(what), std::chrono::duration_cast<std::chrono::microseconds>(
                                         std::chrono::steady_clock::now() - began)});
}

// False when it can't be done.
bool Capture::read_from_outside(const Deadline& limit) {
  measure("state", [&] { save_state_alone(limit); });
  // Only now: each save writes into guest memory (Firecracker resets vsock and flushes the network's frames).
  const auto memory = guest_memory_->find_again(parent());
  if (!memory) {
    fall_back("the guest's memory was no longer found in the engine's mappings");
    return false;
  }
  is_of_parent_ = memory->backing() == memory::Backing::kPrivateFile;
  measure("memory, from outside",
          [&] { changed_ = memory->copy_changed(memory_.get(), limit, staging_.get()); });
  return true;
}

void Capture::forget_memory() {
  if (::ftruncate(memory_.get(), 0) != 0) fail_errno("empty a memory file");
  staging_.reset();
  changed_.clear();
  is_of_parent_ = false;
}

void Capture::save_state_alone(const Deadline& limit) const {
  const firecracker::Client engine(source_.jail, layout::kApiSocket);
  const firecracker::Response response = engine.send(
      firecracker::create_snapshot({.state_path = layout::kNewState, .memory_path = kNoMemory, .sync = false},
                                   firecracker::parse_version(source_.record.engine_version)),
      limit);
  const std::string reason = firecracker::fault_message(response);
  if (response.status == 400 && reason.find("Is a directory") != std::string::npos) return;
  throw Error(Code::kEngineRefused,
              fmt::format("the engine did not save the state of its devices: {}", reason),
              "let it write a whole snapshot: --capture engine");
}

void Capture::dump_by_engine(const Deadline& limit) const {
  const firecracker::Client engine(source_.jail, layout::kApiSocket);
  engine.apply(firecracker::create_snapshot(
                   {.state_path = layout::kNewState, .memory_path = layout::kNewMemory, .sync = false},
                   firecracker::parse_version(source_.record.engine_version)),
               limit);
}

void Capture::collect(const Deadline& deadline) {
  if (copy_) copy_->finish(deadline);
  const uint64_t state_size = file_size(open_of_engine(source_.jail, layout::kNewState).get());
  if (state_size == 0 || state_size > store::kLargestState)
    fail(Code::kCorrupt, "the engine wrote a state of {} bytes", state_size);
  copy_out(source_.jail, layout::kNewState, new_file(layout::kState).get(), state_size, deadline);
  if (way_ == CaptureWay::kEngine) {
    copy_out(source_.jail, layout::kNewMemory, memory_.get(), memory_bytes(source_.record), deadline);
  } else if (is_of_parent_) {
    const UniqueFd parts = open_at(source_.directory, layout::kParts, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const UniqueFd parent = open_untrusted(parts.get(), layout::kMemory);
    write_staged(deadline);
    staging_.reset();
    memory::fill_unchanged(parent.get(), memory_.get(), memory_bytes(source_.record), changed_, deadline);
  }
}

std::vector<store::HeldChunk> Capture::staged() const {
  static_assert(memory::kShare == store::kChunkBytes);
  std::vector<store::HeldChunk> chunks;
  if (!staging_) return chunks;
  for (const memory::StagingBuffer::Part& part : staging_->parts())
    chunks.push_back({part.extents.front().begin, {part.bytes, part.extents.front().size()}});
  return chunks;
}

void Capture::write_staged(const Deadline& deadline) const {
  if (!staging_) return;
  for (const memory::StagingBuffer::Part& part : staging_->parts()) {
    deadline.check("the writing of guest memory");
    memory::write_part(memory_.get(), part);
  }
}

void Capture::let_go() const {
  if (copy_) copy_->let_go();
}

std::optional<std::vector<Extent>> Capture::memory_changed() const {
  if (!is_of_parent_) return std::nullopt;
  return changed_;
}

UniqueFd Capture::new_file(const std::string& name) {
  UniqueFd file = open_at(target_, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  files_.push_back(name);
  return file;
}

}  // namespace knaller::vm
