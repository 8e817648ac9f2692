// Memory, devices and disk of a VM at one instant, brought into a snapshot's directory.
//
//   Capture capture(vm, target, plan);
//   capture.prepare(deadline);  the guest runs: everything that need not wait for the pause
//   …pause…
//   capture.take(limit);        it stands still: device state, what changed of memory and disk
//   …resume…
//   capture.collect(deadline);  it runs again: what is the same as in the parent, and what the engine wrote
//   capture.write_staged(deadline);  what was read into memory goes into its file, alongside the digests
//
// Memory is read from outside where that is known to work (ADR 50): the engine is asked for the device state
// alone, and its process is read. Otherwise the engine writes all of it. Used by one thread; every failure
// leaves the VM to its lease and what the engine wrote to remove_engine_files().
#ifndef KNALLER_VM_SNAPSHOTS_CAPTURE_H_
#define KNALLER_VM_SNAPSHOTS_CAPTURE_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/instant_copy.h"
#include "knaller/types.h"
#include "memory/guest_memory.h"
#include "memory/staging_buffer.h"
#include "store/manifest.h"
#include "store/vm_record.h"

namespace knaller::vm {

// The VM that is captured. The descriptors stay the caller's.
struct CaptureSource {
  const store::VmRecord& record;
  int directory = -1;
  int jail = -1;
  pid_t engine = -1;
};

struct CapturePlan {
  CaptureWay way = CaptureWay::kAuto;
  std::string why_not_outside;  // kAuto: empty when reading from outside is known to work here
  bool with_disk = true;
  std::chrono::milliseconds longest_pause = std::chrono::seconds(5);
};

// What take() did, and how long, while the guest stood still.
struct CaptureStep {
  std::string what;  // "memory, from outside"
  std::chrono::microseconds duration{};
};

class Capture {
 public:
  // `target`: the snapshot's directory in making.
  Capture(CaptureSource source, int target, CapturePlan plan);

  // kExhausted when what is known to be needed does not fit on the file system; kUnsupported for kOutside
  // where the memory can't be read like that; kBusy when the guest writes more than a pause can hold.
  void prepare(const Deadline& deadline);
  void take(const Deadline& limit);
  void collect(const Deadline& deadline);
  // Those of the memory file's chunks that only write_staged() writes; whole ones, in no order. None for a
  // clone.
  std::vector<store::HeldChunk> staged() const;
  void write_staged(const Deadline& deadline) const;
  // Once everything is on the host's disk: drops what is too large for the page cache from it.
  void let_go() const;
  // What the engine wrote into its jail.
  void remove_engine_files() const;

  // Of what is in the target by now.
  const std::vector<std::string>& files() const { return files_; }
  CaptureWay way() const { return way_; }
  const std::string& why_not_outside() const { return why_not_outside_; }
  const std::vector<CaptureStep>& steps() const { return steps_; }
  // Where the memory may differ from that of the snapshot that the VM came from, in ascending order; nothing
  // when it was not built on that.
  std::optional<std::vector<Extent>> memory_changed() const;

 private:
  // The memory, where it is to be read from outside.
  std::optional<memory::GuestMemory> choose_way();
  int parent() const;  // the memory file that the VM was restored from, or -1
  void require_space(const Deadline& deadline) const;
  void open_disk();
  std::string take_once(const Deadline& limit);
  bool read_from_outside(const Deadline& limit);
  void fall_back(const std::string& why);
  [[noreturn]] void fail_outside() const;
  void measure(std::string what, const std::function<void()>& step);
  void forget_memory();
  void save_state_alone(const Deadline& limit) const;
  void dump_by_engine(const Deadline& limit) const;
  UniqueFd new_file(const std::string& name);

  CaptureSource source_;
  int target_;
  CapturePlan plan_;
  CaptureWay way_ = CaptureWay::kEngine;
  std::string why_not_outside_;
  // The memory file that the VM was restored from; none when it never was. It may have been booted since.
  UniqueFd parent_in_jail_;
  bool is_of_parent_ = false;  // what is not in changed_ is the parent's
  UniqueFd disk_;
  UniqueFd disk_copy_;
  std::optional<disk::InstantCopy> copy_;
  std::optional<memory::GuestMemory> guest_memory_;  // as it was found before the pause
  UniqueFd memory_;
  std::vector<Extent> changed_;  // of memory_, what take() wrote or staged
  std::unique_ptr<memory::StagingBuffer> staging_;
  std::vector<CaptureStep> steps_;
  std::vector<std::string> files_;
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_CAPTURE_H_
