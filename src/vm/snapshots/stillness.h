// Whether an engine leaves its paused guest alone. Work that it had already begun for the guest (a frame to
// take from the network, a queue of the disk that was kicked) changes guest memory, and the disk: done after
// the state of the devices was saved, it makes state, memory and disk of different instants. Firecracker was
// seen to do no such work, but nothing promises that (ADR 50).
#ifndef KNALLER_VM_SNAPSHOTS_STILLNESS_H_
#define KNALLER_VM_SNAPSHOTS_STILLNESS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "disk/write_stamp.h"
#include "store/vm_record.h"

namespace knaller::vm {

class Stillness {
 public:
  // From now on. `disk`: -1 when it does not matter.
  Stillness(const store::VmRecord& record, pid_t engine, int disk, const Deadline& deadline);

  // What the engine did since, as the end of a sentence; empty when it kept still.
  std::string disk_work() const;
  std::string network_work() const;

 private:
  const store::VmRecord& record_;
  pid_t engine_;
  int disk_;
  disk::WriteStamp disk_at_;
  std::optional<uint64_t> frames_at_;
};

// How many frames the engine has taken from its network devices; 0 when it has none, and nothing when the
// kernel does not say.
std::optional<uint64_t> frames_taken_by(const store::VmRecord& record, pid_t engine);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_STILLNESS_H_
